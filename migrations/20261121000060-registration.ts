// What accounts need for the policies of registration: which terms were accepted, which usernames look alike, when everything was signed out.
import { Migration } from '@mikro-orm/migrations';

export class Registration extends Migration {
  override up(): void {
    // What began before `signed_out_at` is refused wherever it lies, also when the process died before it could delete it.
    this.addSql(`
      alter table account
        add column signed_out_at timestamptz,
        add column terms_version text,
        add column terms_accepted_at timestamptz,
        add column username_skeleton text`);
    // Of accounts from before whose names look alike the oldest keeps the look; see src/account/look-alike.ts.
    this.addSql(`
      with looks as (
        select id, created_at,
          replace(replace(translate(
            coalesce(nullif(btrim(regexp_replace(lower(username), '_+', '_', 'g'), '_'), ''), '_'),
            '01i', 'oll'), 'rn', 'm'), 'vv', 'w') as skeleton
        from account where username is not null
      )
      update account a set username_skeleton = l.skeleton from looks l
      where l.id = a.id and not exists (
        select from looks o where o.skeleton = l.skeleton and (o.created_at, o.id) < (l.created_at, l.id))`);
    this.addSql('create unique index account_username_skeleton_unique on account (username_skeleton)');
    // A name that somebody chose whose address is not proven yet; it ends with the link.
    this.addSql(`
      create table username_reservation (
        skeleton text primary key,
        username text not null,
        browser_hash text not null,
        expires_at timestamptz not null
      )`);
    this.addSql('create index username_reservation_expiry on username_reservation (expires_at)');
  }
}
