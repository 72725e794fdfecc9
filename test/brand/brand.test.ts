import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Audit } from '../../src/audit/audit.ts';
import { Brand } from '../../src/brand/brand.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const CAUSE = { actor: { kind: 'account', id: 'somebody' } } as const;

describeOnEachDatabase('the looks of the product', (database) => {
  const open = (fixed: { readonly name: string | null; readonly accent: string | null }) =>
    new Brand({
      ...{ database: database(), audit: new Audit({ database: database() }), fixed },
      defaultName: 'Latchkey',
    });

  it('are those of every process once it has looked, and what the settings say holds', async () => {
    const [one, other] = [open({ name: null, accent: null }), open({ name: null, accent: null })];
    await other.refresh();
    assert.deepEqual([other.name, other.accent, other.styleUrl, other.logoUrl], ['Latchkey', null, null, null]);
    await one.save({ name: 'Keys', accent: '#0b6857' }, CAUSE);
    const logo = { type: 'image/jpeg', extension: 'jpg', bytes: Buffer.from('logo') } as const;
    await one.saveLogo(logo, CAUSE);
    assert.equal(other.name, 'Latchkey');
    await other.refresh();
    assert.deepEqual([other.name, other.accent, other.styleUrl], ['Keys', '#0b6857', '/assets/accent.1-0b6857.css']);
    assert.match(other.logoUrl ?? '', /^\/assets\/logo\.[\w-]{16}\.jpg$/);
    const fixed = open({ name: 'Fixed', accent: '#112233' });
    await fixed.refresh();
    assert.deepEqual(
      [fixed.name, fixed.accent, fixed.isNameFixed, fixed.isAccentFixed],
      ['Fixed', '#112233', true, true],
    );
    await one.save({ name: null, accent: null }, CAUSE);
    assert.equal(one.name, 'Latchkey');
    assert.notEqual(one.logoUrl, null, 'the logo is another matter');
    await one.saveLogo(null, CAUSE);
    assert.equal(one.logoUrl, null);
  });
});
