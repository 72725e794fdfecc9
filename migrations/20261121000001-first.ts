// Accounts, passwords, roles, clients, keys, audit, one-time values and counters.
import { Migration } from '@mikro-orm/migrations';

export class First extends Migration {
  override up(): void {
    this.addSql(`
      create table account (
        id uuid primary key,
        subject text not null constraint account_subject_unique unique,
        status text not null check (status in ('pending', 'active', 'locked', 'disabled', 'deleted')),
        email text,
        email_verified_at timestamptz,
        username text,
        name text,
        given_name text,
        middle_name text,
        family_name text,
        nickname text,
        profile text,
        picture text,
        website text,
        gender text,
        birthdate text,
        zoneinfo text,
        locale text,
        phone_number text,
        phone_number_verified_at timestamptz,
        address jsonb,
        created_at timestamptz not null,
        updated_at timestamptz not null,
        last_sign_in_at timestamptz,
        last_sign_in_network text,
        source_client_id text,
        credential_version integer not null default 1
      )`);
    this.addSql('create unique index account_email_unique on account (lower(email))');
    this.addSql('create unique index account_username_unique on account (lower(username))');
    this.addSql('create index account_created on account (created_at, id)');
    this.addSql(`
      create table password (
        account_id uuid primary key references account (id) on delete cascade,
        hash text not null,
        created_at timestamptz not null,
        changed_at timestamptz not null
      )`);
    this.addSql(`
      create table role_assignment (
        id uuid primary key,
        account_id uuid not null references account (id) on delete cascade,
        role_id text not null,
        created_at timestamptz not null,
        constraint role_assignment_unique unique (account_id, role_id)
      )`);
    this.addSql('create index role_assignment_role on role_assignment (role_id)');
    this.addSql(`
      create table setup_state (
        id boolean primary key default true check (id),
        completed_at timestamptz not null
      )`);
    this.addSql(`
      create table client (
        client_id text primary key,
        metadata jsonb not null,
        source text not null check (source in ('database', 'yaml')),
        created_at timestamptz not null,
        updated_at timestamptz not null
      )`);
    this.addSql(`
      create table client_secret (
        id uuid primary key,
        client_id text not null references client (client_id) on delete cascade,
        hash text not null,
        created_at timestamptz not null,
        expires_at timestamptz
      )`);
    this.addSql('create index client_secret_client on client_secret (client_id)');
    this.addSql(`
      create table signing_key (
        kid text primary key,
        algorithm text not null check (algorithm in ('RS256', 'ES256', 'EdDSA')),
        sealed bytea not null,
        created_at timestamptz not null,
        active_at timestamptz not null,
        replaced_at timestamptz,
        retire_at timestamptz
      )`);
    this.addSql(`
      create table sealed_secret (
        id uuid primary key,
        purpose text not null,
        sealed bytea not null,
        created_at timestamptz not null
      )`);
    this.addSql(`
      create table audit_event (
        id bigint generated always as identity primary key,
        at timestamptz not null,
        actor_kind text not null check (actor_kind in ('account', 'client', 'cli', 'system', 'anonymous')),
        actor_id text,
        action text not null,
        target_kind text,
        target_id text,
        network text,
        user_agent text,
        client_id text,
        request_id text,
        result text not null check (result in ('success', 'failure')),
        reason text
      )`);
    this.addSql('create index audit_event_at on audit_event (at)');
    this.addSql('create index audit_event_target on audit_event (target_kind, target_id, id)');
    this.addSql('create index audit_event_actor on audit_event (actor_kind, actor_id, id)');
    this.addSql(`
      create table one_time_value (
        hash text primary key,
        kind text not null,
        subject text,
        sealed bytea not null,
        expires_at timestamptz not null
      )`);
    this.addSql('create index one_time_value_subject on one_time_value (kind, subject)');
    this.addSql('create index one_time_value_expiry on one_time_value (expires_at)');
    this.addSql(`
      create table guess_counter (
        key text primary key,
        failures integer not null,
        strikes integer not null default 0,
        window_ends_at timestamptz,
        locked_until timestamptz,
        updated_at timestamptz not null
      )`);
    this.addSql('create index guess_counter_updated on guess_counter (updated_at)');
  }
}
