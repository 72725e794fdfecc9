// Prepared statements without the unit of work, for the rows every request touches (tokens, sessions, counters): a key look-up through
// the ORM costs three to five times as much. Everything else goes through MikroORM.

/** One statement, prepared once per connection under its name; names are unique over the code base. */
export interface Statement {
  readonly name: string;
  /** With `$1`, `$2`, … as placeholders. */
  readonly text: string;
}

export interface SqlResult<Row> {
  readonly rows: readonly Row[];
  /** Rows that were written, for a statement that writes. */
  readonly count: number;
}

export interface Sql {
  /** Runs on a connection of its own: never call it inside a transaction, on the embedded database it would wait for itself. */
  query<Row extends object>(statement: Statement, values?: readonly unknown[]): Promise<SqlResult<Row>>;
}
