// `npm test`: every test file in a process of its own, two at a time, one line per file. At the end it says what failed, what was skipped and
// why, and closes with one plain line. Paths behind it narrow the run: `npm test -- test/oidc test/http/view.test.ts`.
import { globSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';

const ROOT = join(import.meta.dirname, '..');
/** Files at once: their servers and password hashes share the cores of a small machine. */
const CONCURRENCY = 2;
/** Milliseconds after which one case has failed. */
const CASE_TIMEOUT = 120_000;
/** Milliseconds after which a file is ended: something in it holds the process open. */
const FILE_TIMEOUT = 900_000;
/** Lines of one failure, and of what a failed file printed. */
const MOST_LINES = 60;
/** How the reason begins where a client from Debian's packages is not there (support/foreign-program.ts). */
const DEBIAN_MISSING = "Debian's packages are not installed";
/** What the test runner counts by itself. */
const COUNTED = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

interface Failure {
  readonly name: string;
  readonly text: string;
}

interface Skip {
  readonly name: string;
  readonly reason: string;
}

interface FileReport {
  readonly path: string;
  passed: number;
  readonly failures: Failure[];
  readonly skips: Skip[];
  readonly output: string[];
  seconds: number;
}

/** @returns undefined when a path does not exist or holds no test file */
function findFiles(paths: readonly string[]): readonly string[] | undefined {
  if (paths.length === 0) return globSync('test/**/*.test.ts', { cwd: ROOT }).map((path) => join(ROOT, path));
  const found = new Set<string>();
  for (const path of paths) {
    const start = resolve(path);
    const kind = statSync(start, { throwIfNoEntry: false });
    const files = kind?.isDirectory()
      ? globSync('**/*.test.ts', { cwd: start }).map((one) => join(start, one))
      : [start];
    if (!kind || files.length === 0) {
      process.stderr.write(`${path}: there is no test file.\n`);
      return undefined;
    }
    for (const file of files) found.add(file);
  }
  return [...found];
}

async function runFile(file: string): Promise<FileReport> {
  const report: FileReport = { path: relative(ROOT, file), passed: 0, failures: [], skips: [], output: [], seconds: 0 };
  const start = performance.now();
  const stream = run({
    files: [file],
    signal: AbortSignal.timeout(FILE_TIMEOUT),
    execArgv: [`--test-timeout=${CASE_TIMEOUT}`],
  });
  const above: string[] = [];
  const nameOf = (event: { readonly name: string; readonly nesting: number }) =>
    [...above.slice(0, event.nesting), event.name].join(' › ');
  stream.on('test:start', (event) => above.splice(event.nesting, above.length, event.name));
  stream.on('test:pass', (event) => {
    // Without a case in it a file is reported as if it were one.
    if (event.name === file) report.failures.push({ name: 'the whole file', text: 'There is no test in it.' });
    else if (event.skip !== undefined) report.skips.push({ name: nameOf(event), reason: reasonOf(event.skip) });
    else if (event.details.type !== 'suite') report.passed += 1;
  });
  stream.on('test:fail', (event) => {
    const error: TestError = event.details.error;
    if (event.todo !== undefined) report.skips.push({ name: nameOf(event), reason: `to do: ${reasonOf(event.todo)}` });
    else if (event.name === file) report.failures.push({ name: 'the whole file', text: wholeFile(error) });
    else if (error.failureType !== 'subtestsFailed') report.failures.push({ name: nameOf(event), text: textOf(error) });
  });
  stream.on('test:stdout', (event) => report.output.push(event.message));
  stream.on('test:stderr', (event) => report.output.push(event.message));
  stream.on('test:diagnostic', (event) => {
    if (!COUNTED.test(event.message)) report.output.push(`${event.message}\n`);
  });
  stream.resume();
  await finished(stream);
  report.seconds = (performance.now() - start) / 1000;
  return report;
}

interface TestError extends Error {
  readonly failureType?: unknown;
}

/** The test runner wraps what was thrown. */
function textOf(error: TestError): string {
  const thrown = error.cause instanceof Error ? error.cause : error;
  const cause = thrown.cause instanceof Error ? `\ncaused by ${thrown.cause.stack ?? thrown.cause.message}` : '';
  return `${thrown.stack ?? thrown.message}${cause}`;
}

function wholeFile(error: TestError): string {
  if (error.failureType === 'testAborted') return `It did not end within ${FILE_TIMEOUT / 1000} s.`;
  return 'Its process failed: it ended early, an error came after the last case, or it set an exit code.';
}

function reasonOf(given: string | boolean): string {
  return typeof given === 'string' && given !== '' ? given : 'no reason given';
}

/** Its beginning says what went wrong, its end where. */
function shorten(text: string): string {
  const lines = text.split('\n').map((line) => line.slice(0, 500));
  const half = MOST_LINES / 2;
  return lines.length <= MOST_LINES
    ? lines.join('\n')
    : [...lines.slice(0, half), '…', ...lines.slice(-half)].join('\n');
}

function indent(text: string): string {
  return text.trimEnd().replace(/^(?=.)/gm, '    ');
}

function print(report: FileReport): void {
  const { passed, failures, skips } = report;
  const counts = [`${passed} passed`];
  if (failures.length > 0) counts.push(`${failures.length} failed`);
  if (skips.length > 0) counts.push(`${skips.length} skipped`);
  const mark = failures.length > 0 ? '✖' : '✔';
  write(`${mark} ${report.path}: ${counts.join(', ')} (${report.seconds.toFixed(1)} s)`);
  if (failures.length === 0) return;
  for (const { name, text } of failures) write(`\n  ✖ ${name}\n${indent(shorten(text))}`);
  const last = report.output.join('').trimEnd().split('\n').slice(-MOST_LINES).join('\n');
  if (last !== '') write(`\n  what it printed last:\n${indent(last)}`);
  write('');
}

function printSkips(reports: readonly FileReport[]): void {
  const byReason = new Map<string, string[]>();
  for (const { path, skips } of reports) {
    for (const { name, reason } of skips) byReason.set(reason, [...(byReason.get(reason) ?? []), `${path}: ${name}`]);
  }
  if (byReason.size === 0) return;
  write('\nSkipped:');
  for (const [reason, names] of byReason) write(`  ${reason}\n${indent(names.join('\n'))}`);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

const files = findFiles(process.argv.slice(2));
if (!files) {
  process.exitCode = 2;
} else {
  // What the developer's shell sets must not decide what a server under test does.
  for (const name of Object.keys(process.env)) if (name.startsWith('LATCHKEY_')) delete process.env[name];
  const reports: FileReport[] = [];
  const waiting = files.toSorted();
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const report = await runFile(file);
      reports.push(report);
      print(report);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));

  const sum = (count: (report: FileReport) => number) => reports.reduce((total, report) => total + count(report), 0);
  const [passed, failed, skipped] = [
    sum((one) => one.passed),
    sum((one) => one.failures.length),
    sum((one) => one.skips.length),
  ];
  if (failed > 0) {
    write('\nFailed:');
    for (const { path, failures } of reports) for (const { name } of failures) write(`  ${path}: ${name}`);
  }
  printSkips(reports);
  // Where everything is installed, as on the build machine, a skipped test hides something. Debian's packages cannot be had everywhere.
  const isForgiven = ({ reason }: Skip) => process.env['TEST_DEBIAN'] === 'absent' && reason.startsWith(DEBIAN_MISSING);
  const isRefused = reports.some((report) => report.skips.some((skip) => !isForgiven(skip)));
  const areSkipsRefused = process.env['TEST_SKIPS'] === 'refuse' && isRefused;
  if (areSkipsRefused) write('\nNothing may be skipped here (TEST_SKIPS=refuse).');
  if (passed + failed === 0) write('\nNo test ran.');
  write(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0 || passed === 0 || areSkipsRefused) process.exitCode = 1;
}
