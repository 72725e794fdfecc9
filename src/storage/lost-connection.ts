// Connections that break inside of a transaction. The query builder below the ORM (kysely 0.29) gives a connection back only after its
// commit or rollback succeeded, so one that the server closed, or that no longer answers, stays checked out for ever: a few outages and the
// pool is empty. Here the pool takes such a connection back itself.
import type { EventEmitter } from 'node:events';

/** What we need of a `pg` client; the methods are replaced on the object itself. */
interface PoolClient extends EventEmitter {
  query: (...args: unknown[]) => unknown;
  release?: (error?: boolean) => void;
  readonly connection: { readonly stream: { destroy(): void } };
}

/** Must be called before the pool makes its first connection. */
export function takeBackLostConnections(pool: EventEmitter): void {
  const checkedOut = new WeakSet<PoolClient>();
  pool.on('acquire', (client: PoolClient) => checkedOut.add(client));
  pool.on('release', (_error: unknown, client: PoolClient) => checkedOut.delete(client));
  pool.on('connect', (client: PoolClient) => {
    client.once('end', () => {
      if (!checkedOut.has(client)) return;
      const { release } = client;
      // Whoever still holds it may give it back as well, and the pool would throw at the second time.
      client.release = () => undefined;
      release?.(true);
    });
    const query = client.query.bind(client);
    client.query = (...args) => {
      const answer = query(...args);
      // Every later statement, the rollback first of all, would wait behind the one that has no answer.
      if (answer instanceof Promise) {
        answer.catch((error: unknown) => {
          if (error instanceof Error && error.message === 'Query read timeout') client.connection.stream.destroy();
        });
      }
      return answer;
    };
  });
}
