// Reads a Dockerfile, and follows it without an engine: copies what it copies into a folder and runs what it installs there.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';

export interface Instruction {
  /** In capitals. */
  readonly name: string;
  readonly text: string;
}

/** In their order; lines that a backslash continues are joined, comments are left out. */
export function instructions(dockerfile: string): readonly Instruction[] {
  const lines = dockerfile
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n');
  return lines.flatMap((line) => {
    const [, name, text] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    return name === undefined || text === undefined ? [] : [{ name: name.toUpperCase(), text }];
  });
}

/** The list of an instruction in its exec form. @throws when it is written as a shell command */
export function execForm(text: string): readonly string[] {
  const list: unknown = JSON.parse(text.slice(text.indexOf('[')));
  if (!Array.isArray(list) || list.some((one) => typeof one !== 'string')) throw new Error(`not an exec form: ${text}`);
  return list as readonly string[];
}

/** Whether a .dockerignore of the kind "everything but" lets a path into the build; the last line that fits decides. */
export function isSent(dockerignore: string, path: string): boolean {
  const parts = path.split('/');
  const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  let isIn = true;
  for (const line of dockerignore.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
    const pattern = line.replace(/^!/, '');
    const expression = new RegExp(
      `^${pattern
        .replaceAll('.', '\\.')
        .replaceAll('**/', '(.*/)?')
        .replace(/(?<![.)])\*/g, '[^/]*')}$`,
    );
    if (prefixes.some((prefix) => expression.test(prefix))) isIn = line.startsWith('!');
  }
  return isIn;
}

interface Build {
  readonly dockerfile: string;
  readonly dockerignore: string;
  readonly root: string;
  /** Where WORKDIR would be. */
  readonly folder: string;
}

/**
 * Follows COPY, the installation and what it removes of it. The rest (accounts, folders, caches) is left to an engine.
 * @returns why it cannot be done on this machine, else undefined
 */
export async function followBuild(build: Build): Promise<string | undefined> {
  for (const { name, text } of instructions(build.dockerfile)) {
    if (name === 'COPY') copy(build, text.split(/\s+/));
    for (const command of name === 'RUN' ? text.split('&&') : []) {
      const [program, ...args] = command.trim().split(/\s+/);
      const problem = program === 'npm' && args[0] === 'ci' ? await install(build, args) : undefined;
      if (problem !== undefined) return problem;
      if (program === 'rm') for (const path of args.slice(1)) rmSync(join(build.folder, path), { recursive: true });
    }
  }
  return undefined;
}

function copy(build: Build, words: readonly string[]): void {
  const target = words.at(-1) ?? '';
  for (const source of words.slice(0, -1)) {
    const to = target.endsWith('/') ? join(build.folder, target, source) : join(build.folder, target);
    mkdirSync(join(to, '..'), { recursive: true });
    const filter = (from: string) => isSent(build.dockerignore, relative(build.root, from));
    cpSync(join(build.root, source), to, { recursive: true, filter });
  }
}

/** What npm itself was started with (its registry, certificates), without what it told the script it runs about this project. */
function installEnvironment(): NodeJS.ProcessEnv {
  const isOfThisProject = /^(?:npm_(?:package|lifecycle|command)|npm_config_local_prefix|NODE_TEST_CONTEXT|INIT_CWD)/;
  const kept = Object.entries(process.env).filter(([name]) => !isOfThisProject.test(name));
  return { ...Object.fromEntries(kept), NODE_ENV: 'production' };
}

async function install(build: Build, args: readonly string[]): Promise<string | undefined> {
  try {
    await promisify(execFile)('npm', [...args, '--prefer-offline'], { cwd: build.folder, env: installEnvironment() });
    return undefined;
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    if (/\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH)\b/.test(stderr))
      return 'no package registry answers';
    throw error;
  }
}
