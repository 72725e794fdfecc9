// Every piece of client metadata that the guides show can be registered as it stands.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { codeBlocks } from '../../deployment/markdown.ts';
import { type Latchkey, startLatchkey } from '../../support/server.ts';

const DOCS = join(import.meta.dirname, '../../../docs');

describe('the metadata of a client', () => {
  let latchkey: Latchkey;
  before(async () => {
    latchkey = await startLatchkey();
  });
  after(() => latchkey.stop());

  for (const guide of ['frameworks.md', 'native-apps.md', 'connecting-an-app.md']) {
    const blocks = codeBlocks(readFileSync(join(DOCS, guide), 'utf8')).filter(({ language }) => language === 'json');
    for (const { text } of blocks) {
      const metadata = JSON.parse(text) as Record<string, unknown>;
      it(`${String(metadata['client_name'])} of ${guide} is accepted`, async () => {
        const client = await latchkey.createClient(metadata);
        // The engine has its say when the client is used.
        assert.ok(await latchkey.app.engine.provider.Client.find(client.clientId));
      });
    }

    it(`of ${guide} is there`, () => assert.ok(blocks.length > 0));
  }
});
