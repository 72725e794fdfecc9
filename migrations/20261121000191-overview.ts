// What the overview of administrators draws: how many events there were of each kind on each day (UTC), counted when they are chained, and how many
// sessions lived. Counting a million rows for each look would be slow; the chain passes each row exactly once.
import { Migration } from '@mikro-orm/migrations';

export class Overview extends Migration {
  override up(): void {
    this.addSql(`
      create table audit_day (
        day date not null,
        action text not null,
        result text not null,
        count bigint not null,
        primary key (day, action, result)
      )`);
    this.addSql(`insert into audit_day (day, action, result, count)
      select (at at time zone 'utc')::date, action, result, count(*) from audit_event where seq is not null group by 1, 2, 3`);
    // Failures of an action that hardly ever fails: a search for them would go through all of its successes.
    this.addSql("create index audit_event_failed_action on audit_event (action, id) where result = 'failure'");
    this.addSql('create table session_day (day date primary key, most integer not null)');
    this.addSql('create index browser_session_alive on browser_session (expires_at) where ended_at is null');
  }
}
