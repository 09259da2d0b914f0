// SPDX-License-Identifier: LGPL-2.1-or-later
// A client of execd with the types that openapi-typescript makes of packaging/openapi.yaml, as they are. It is compiled and
// not run: what compiles has to be a request that execd takes, and what must not compile is marked.

import type { components, operations, paths } from './types';

type Method = 'get' | 'post' | 'head';
type Operation<P extends keyof paths, M extends Method> = Exclude<paths[P][M & keyof paths[P]], undefined>;
type Field<T, K extends string> = T extends { [k in K]?: infer V } ? Exclude<V, undefined> : never;
type Body<T> = Field<T, 'content'> extends { 'application/json': infer V } ? V : never;
type Parameters<O> = Field<O, 'parameters'>;
type Response<O, S extends number> = Field<O, 'responses'> extends { [s in S]: infer R } ? Body<R> : never;

interface Request<O> {
    path: Field<Parameters<O>, 'path'>;
    query?: Field<Parameters<O>, 'query'>;
    body?: Body<Field<O, 'requestBody'>>;
}

declare function call<P extends keyof paths, M extends Method, S extends number>(
    method: M, path: P, status: S, request: Request<Operation<P, M>>): Promise<Response<Operation<P, M>, S>>;

const filters = (values: { [key: string]: string[] }): string => JSON.stringify(values);

async function run(service: string): Promise<number> {
    const found = await call('get', '/containers/json', 200, {
        path: undefined as never, query: { limit: 2, filters: filters({ label: [`com.docker.compose.service=${service}`] }) } });
    const first: components['schemas']['ContainerSummary'] | undefined = found[0];
    if (!first || found.length > 1)
        throw new Error(`${found.length} containers: ${found.map((c) => c.Names.join()).join(' ')}`);

    const created = await call('post', '/containers/{id}/exec', 201, {
        path: { id: first.Id },
        body: { Cmd: ['/bin/sh', '-c', 'exit 3'], AttachStdout: true, Env: ['A=b'], Labels: { job: 'one' },
                Properties: { MemoryMax: '64M' }, OnDisconnect: 'kill', ConsoleSize: [24, 80] } });
    const id: string = created.Id;
    if (created.data.id !== id || created.success !== true)
        throw new Error('not the contract');

    await call('post', '/exec/{id}/start', 200, { path: { id }, body: { Detach: true } });
    await call('post', '/exec/{id}/resize', 200, { path: { id }, query: { h: 24, w: 80 } });
    await call('post', '/exec/{id}/kill', 204, { path: { id }, query: { signal: 'TERM' } });
    const waited = await call('post', '/exec/{id}/wait', 200, { path: { id } });
    const seen = await call('get', '/exec/{id}/json', 200, { path: { id } });
    const state: 'created' | 'running' | 'exited' | 'failed' = seen.State;
    const code: number | null = seen.ExitCode;
    const labels: { [name: string]: string } = seen.Labels;
    return state === 'exited' && code !== null && labels.job === 'one' ? waited.StatusCode : 255;
}

async function reasons(id: string): Promise<string[]> {
    const refused = await call('get', '/containers/{id}/json', 404, { path: { id } });
    const code: 'NOT_FOUND' = refused.error.code;
    const all = await call('get', '/exec/json', 200, { path: undefined as never });
    return [code, refused.message, ...all.map((e) => e.Error ?? e.Result ?? '')];
}

const command: components['schemas']['ExecCreate'] = { Cmd: 'echo a string is a shell command' };
type Created = operations['createExec']['responses'][201]['content']['application/json'];
// @ts-expect-error an exec needs a command
const nothing: components['schemas']['ExecCreate'] = {};
// @ts-expect-error one of three words
const word: components['schemas']['ExecCreate'] = { Cmd: ['a'], OnDisconnect: 'never' };
// @ts-expect-error variables are a list
const env: components['schemas']['ExecCreate'] = { Cmd: ['a'], Env: { A: 'b' } };
// @ts-expect-error no such field
const field: components['schemas']['Exec']['Exit'] = 0;
// @ts-expect-error no such route
type Route = paths['/exec/{id}'];

export { command, env, field, nothing, reasons, run, word };
export type { Created, Route };
