// What the engine stores when there is no Redis: sessions, interactions, grants, codes and tokens.
import { Migration } from '@mikro-orm/migrations';

export class OidcArtifacts extends Migration {
  override up(): void {
    // Keys are hashes, compared byte by byte. `sealed` null means: ended, and must not be written again. `generation` counts on a
    // grant how often its tokens were revoked; a token lives while its own is the grant's.
    this.addSql(`
      create table oidc_artifact (
        key text collate "C" primary key,
        model text not null,
        grant_key text collate "C",
        generation integer not null default 0,
        account_id text,
        session_key text collate "C",
        user_code_key text collate "C",
        sealed bytea,
        consumed_at timestamptz,
        expires_at timestamptz not null
      ) with (fillfactor = 80)`);
    this.addSql('create index oidc_artifact_grant on oidc_artifact (grant_key) where grant_key is not null');
    this.addSql('create index oidc_artifact_account on oidc_artifact (account_id) where account_id is not null');
    this.addSql("create unique index oidc_artifact_session on oidc_artifact (session_key) where model = 'Session'");
    this.addSql(
      'create unique index oidc_artifact_user_code on oidc_artifact (user_code_key) where user_code_key is not null',
    );
    this.addSql('create index oidc_artifact_expiry on oidc_artifact (expires_at)');
  }
}
