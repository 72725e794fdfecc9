import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatLogLine } from '../../src/command/open-log.ts';
import { createLog } from '../../src/log.ts';

/** What a terminal would show of one call. */
function shown(call: (log: ReturnType<typeof createLog>) => void): string {
  let text = '';
  call(createLog('trace', { write: (line: string) => void (text += formatLogLine(line)) }));
  return text;
}

describe('a log line for people', () => {
  it('has time, level, message and the values', () => {
    assert.match(
      shown((log) => log.info({ port: 3000, who: 'a b' }, 'listening')),
      /^\d\d:\d\d:\d\d INFO {2}listening port=3000 who="a b"\n$/,
    );
  });

  it('has the stack of an error below it', () => {
    const text = shown((log) => log.error({ err: new Error('broken') }, 'x'));
    assert.match(text, /ERROR x\n {4}Error: broken\n {4} {4}at /);
  });

  it('is one line whatever the values hold, and steers no terminal', () => {
    const text = shown((log) => log.warn({ agent: 'a\n\u001b[2J\u009b' }, 'b\nc'));
    assert.equal(text.split('\n').length, 2);
    assert.doesNotMatch(text, /[\u001b\u009b]/);
  });
});
