// What the composition root promises about all rooms together.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type CommandLine, openCommandLine } from './support/command-line.ts';

/** Bytes that are not sealed. */
const NOT_SEALED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['audit_chain.base_hash', 'audit_chain.base_mac', 'audit_chain.hash', 'audit_chain.mac', 'audit_event.hash'].map(
      (column) => [column, 'a keyed hash; its key lies in sealed_secret and stays the same'],
    ),
  ),
  'brand.logo': 'public',
  'recovery_code.hash': 'a slow hash',
  'mailed_secret.code_hash': 'a slow hash, keyed with the master secret; lives for hours',
  'passkey.public_key': 'public',
  'phone_code.code_hash': 'a slow hash, keyed with the master secret; lives for minutes',
  'account_picture.content': 'shown to everybody who knows its address',
  'organization_logo.content': 'shown to everybody who knows its address',
  'telegram_approval.person': 'sealed, and gone within minutes',
};

describe('what lies sealed in the database', () => {
  let line: CommandLine;
  before(async () => {
    line = await openCommandLine();
  });
  after(() => line.close());

  it('is all in the list that `keys reseal` goes through', async () => {
    const { rows } = await line.app.database.sql.query<{ column: string }>({
      name: '',
      text: `select table_name || '.' || column_name as "column" from information_schema.columns
        where table_schema = current_schema() and (data_type = 'bytea' or column_name ~ 'seal|cipher|crypt')
        order by table_name, column_name`,
    });
    const covered = line.app.sealedStores.tables.map((one) => `${one.table}.sealed`);
    const known = [...covered, ...Object.keys(NOT_SEALED)].toSorted();
    // A new table with something sealed gets a line in SEALED_TABLES of src/app.ts, in the column `sealed`.
    assert.deepEqual(
      rows.map((row) => row.column),
      known,
    );
  });
});
