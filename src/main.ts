// Process entry: checks the version of Node, then hands the command line on. Nothing is imported before the check, because what comes next
// would stop an older Node with a message that helps nobody.
const LEAST_NODE = 24;

if (Number.parseInt(process.versions.node, 10) < LEAST_NODE) {
  process.stderr.write(
    `latchkey: this is Node ${process.versions.node}, and Latchkey needs Node ${LEAST_NODE} or later. ` +
      'Use `npm start` or `npm run latchkey -- …`, which bring their own.\n',
  );
  process.exit(1);
}

// What Node makes of our sources is kept beside the packages, which belong to whoever may change the sources: half the time of a start. A folder
// that NODE_COMPILE_CACHE names comes first; without one that can be written to it simply takes longer.
process.getBuiltinModule('node:module').enableCompileCache(`${import.meta.dirname}/../node_modules/.cache/latchkey`);

const { runCommandLine } = await import('./command/run.ts');
process.exit(await runCommandLine(process.argv.slice(2)));

export {};
