# SPDX-License-Identifier: LGPL-2.1-or-later
"""Of all that SELinux has denied since boot, nothing was unexpected. Runs last."""

import re

import vm

# Denials that tests have provoked, and that must be there after them.
PROVOKED = {
    "a file of another container's": r'denied  \{ read \} .* name="foreign" .*:container_t:s0:c1,c2 .*:s0:c3,c4 tclass=file',
    "a caller without the permission":
        r"USER_AVC .*denied  \{ \w+ \} .*scontext=unconfined_u:unconfined_r:execd_test_\w+_t:\S+ tcontext=\S+ tclass=containerexec",
    "a program that leads nowhere": r'denied  \{ entrypoint \} .* path="/bin/not-a-program" .*:execd_test_data_t:',
}
# The same, where it is no matter whether it is.
ALLOWED = {
    "a machine that nobody may enter":
        r"USER_AVC .*denied  \{ exec \} .*container=plain .*scontext=unconfined_u:unconfined_r:unconfined_t:\S+ tcontext=\S+",
    "a service that nobody may enter":
        r"USER_AVC .*denied  \{ exec_service \} .*container=[\w.-]+\.service .*scontext=unconfined_u:unconfined_r:unconfined_t:\S+ tcontext=\S+",
    "what a command sees of a false /proc": r'comm="(sleep|true)" name="(self|/)" dev="tmpfs" .*:container_t:.* permissive=0',
    "the probe tries what it can": r'comm="probe" .*scontext=system_u:system_r:container_t:\S+ .* permissive=0',
    # Only while its test has SELinux watch.
    "a label that could not be set":
        r'comm="execd-runner" (name="(link|/|sched)"|path="/mnt/false/attr/\w+") .*:execd_runner_t:s0 .* permissive=1',
}
# Rules that this Debian's own policy lacks, apart from execd.
OTHERS = {
    "journald looks at credentials": r'comm="systemd-journal" name="/" dev="(ramfs|tmpfs)" .*:syslogd_t:',
    "tmpfiles would relabel": r'denied  \{ relabelfrom \} .* comm="systemd-tmpfile" .*:systemd_tmpfiles_t:',
    "machined looks at machines": r"scontext=system_u:system_r:systemd_machined_t:\S+ .* permissive=1",
    "polkit asks systemd": r"USER_AVC .*denied  \{ status \} .*scontext=system_u:system_r:policykit_t:",
}


def test_nothing_that_was_not_expected_was_denied():
    records = [r for r in vm.records() if "op=load_policy" not in r and "op=setenforce" not in r]
    for patterns in (ALLOWED, OTHERS):
        records = [r for r in records if not any(re.search(p, r) for p in patterns.values())]
    for what, pattern in PROVOKED.items():
        found = [r for r in records if re.search(pattern, r)]
        assert found, f"not seen, so that others may be missing as well: {what}"
        records = [r for r in records if r not in found]
    assert not records, "\n".join(sorted(set(records)))


def test_no_record_was_lost():
    text = vm.sh(["journalctl", "--no-pager", "-b", "-o", "cat", "_TRANSPORT=kernel"])
    assert not re.search(r"audit: (backlog limit|rate limit|kauditd hold|audit_lost)", text)
