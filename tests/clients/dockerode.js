// SPDX-License-Identifier: LGPL-2.1-or-later
// dockerode.js SOCKET CONTAINER CASE: one case; exits 0 when it holds, 1 with the reason on stderr when not.
'use strict';
const assert = require('assert');
const { PassThrough } = require('stream');
const Docker = require('dockerode');

const [socketPath, name, wanted] = process.argv.slice(2);
const docker = new Docker({ socketPath });
const container = docker.getContainer(name);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function collect(stream) {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    return {
        get text() { return Buffer.concat(chunks).toString(); },
        get length() { return chunks.reduce((n, c) => n + c.length, 0); },
        end: new Promise((resolve, reject) => {
            stream.on('end', resolve);
            stream.on('close', resolve);
            stream.on('error', reject);
        }),
    };
}

// Runs to the end with the two outputs apart.
async function run(options, start, feed) {
    const exec = await container.exec({ AttachStdout: true, AttachStderr: true, ...options });
    const stream = await exec.start(start);
    const out = new PassThrough(), err = new PassThrough();
    const seen = { out: collect(out), err: collect(err) };
    const whole = collect(stream);
    docker.modem.demuxStream(stream, out, err);
    if (feed)
        await feed(stream);
    await whole.end;
    out.end();
    err.end();
    await Promise.all([seen.out.end, seen.err.end]);
    return { exec, out: seen.out.text, err: seen.err.text, info: await exec.inspect() };
}

async function rejected(promise, status, text) {
    try {
        await promise;
    } catch (error) {
        assert.strictEqual(error.statusCode, status);
        assert.ok(error.message.includes(text), error.message);
        return;
    }
    assert.fail('it was not refused');
}

const cases = {
    async ping() {
        assert.strictEqual((await docker.ping()).toString(), 'OK');
        assert.ok((await docker.version()).ApiVersion);
        assert.ok((await docker.info()).ContainersRunning >= 1);
    },
    async list() {
        const all = await docker.listContainers({ filters: { name: [`^/${name}$`] } });
        assert.deepStrictEqual(all.map((c) => c.Names[0]), [`/${name}`]);
        assert.strictEqual((await container.inspect()).State.Running, true);
    },
    async hijack() {
        const r = await run({ Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'] }, { hijack: true, stdin: false });
        assert.deepStrictEqual([r.out, r.err, r.info.ExitCode], ['out\n', 'err\n', 3]);
    },
    async plain() {
        const r = await run({ Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 4'] }, {});
        assert.deepStrictEqual([r.out, r.err, r.info.ExitCode], ['out\n', 'err\n', 4]);
    },
    async stdin() {
        const r = await run({ Cmd: ['cat'], AttachStdin: true }, { hijack: true, stdin: true }, async (stream) => {
            stream.write('hello ');
            stream.end('world');
        });
        assert.deepStrictEqual([r.out, r.info.ExitCode], ['hello world', 0]);
    },
    async stdin_large() {
        const data = Buffer.alloc(5000000, 'abcdefg');
        const r = await run({ Cmd: ['cat'], AttachStdin: true }, { hijack: true, stdin: true },
            async (stream) => { stream.end(data); });
        assert.ok(Buffer.from(r.out).equals(data));
    },
    async output_large() {
        const r = await run({ Cmd: ['head', '-c', '20000000', '/dev/zero'] }, { hijack: true });
        assert.strictEqual(r.out.length, 20000000);
    },
    async tty() {
        const exec = await container.exec({ Cmd: ['/bin/sh'], AttachStdin: true, AttachStdout: true, Tty: true });
        const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
        const seen = collect(stream);
        await exec.resize({ h: 30, w: 70 });
        stream.write('stty -a; exit 6\n');
        await seen.end;
        assert.ok(seen.text.includes('rows 30; columns 70'), seen.text);
        assert.strictEqual((await exec.inspect()).ExitCode, 6);
    },
    async options() {
        const r = await run({ Cmd: ['sh', '-c', 'echo $A $(id -u) $(pwd)'], Env: ['A=b'], User: 'app', WorkingDir: '/tmp' },
            { hijack: true });
        assert.strictEqual(r.out, 'b 1000 /tmp\n');
    },
    async detach() {
        const exec = await container.exec({ Cmd: ['sh', '-c', 'until rm /tmp/end-7 2>/dev/null; do sleep 0.1; done; exit 7'] });
        await exec.start({ Detach: true });
        assert.strictEqual((await exec.inspect()).Running, true);
        await run({ Cmd: ['touch', '/tmp/end-7'] });
        for (let i = 0; i < 300 && (await exec.inspect()).Running; i++)
            await sleep(100); // until it looks again
        assert.strictEqual((await exec.inspect()).ExitCode, 7);
    },
    async inspect() {
        const exec = await container.exec({ Cmd: ['sh', '-c', 'x'], AttachStdout: true });
        const info = await exec.inspect();
        assert.strictEqual(info.ID, exec.id);
        assert.deepStrictEqual([info.Running, info.ExitCode, info.OpenStdout, info.OpenStdin], [false, null, true, false]);
        assert.deepStrictEqual(info.ProcessConfig.arguments, ['-c', 'x']);
    },
    async errors() {
        await rejected(docker.getContainer('nosuch').exec({ Cmd: ['true'] }), 404, 'No such container: nosuch');
        await rejected(container.exec({}), 400, '');
        await rejected(docker.getExec('0'.repeat(64)).inspect(), 404, 'No such exec instance');
    },
    async repeated() {
        for (let i = 0; i < 50; i++) {
            const r = await run({ Cmd: ['echo', `${i}`] }, { hijack: i % 2 === 0 });
            assert.deepStrictEqual([r.out, r.info.ExitCode], [`${i}\n`, 0]);
        }
    },
    async events() {
        const stream = await docker.getEvents({ filters: { event: ['exec_die'] } });
        // One object a line; ends of earlier execs may come before.
        let text = '';
        const seen = new Promise((resolve) => stream.on('data', (chunk) => {
            text += chunk;
            const lines = text.split('\n').slice(0, -1).filter((line) => line);
            if (lines.some((line) => JSON.parse(line).Actor.Attributes.exitCode === '83'))
                resolve();
        }));
        await run({ Cmd: ['sh', '-c', 'exit 83'] }, { hijack: true });
        await seen;
        stream.destroy();
    },
    async top() {
        assert.ok((await container.top()).Titles.includes('PID'));
    },
};

if (wanted === 'list-cases') {
    console.log(Object.keys(cases).join('\n'));
    process.exit(0);
}
// A promise that never settles would let node end with 0.
let done = false;
process.on('exit', (code) => {
    if (code === 0 && !done) {
        console.error('ended before the case was through');
        process.exitCode = 1;
    }
});
setTimeout(() => { console.error('no end within 40 s'); process.exit(1); }, 40000).unref();
cases[wanted]().then(() => { done = true; process.exit(0); }, (error) => { console.error(error); process.exit(1); });
