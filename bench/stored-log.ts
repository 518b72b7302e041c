import { type Database } from '@countersign/persistence';
import { TiledTree } from '@countersign/transparency-log';
import { say } from './report.js';

/** The events belong to tenants from `tenant-0` on, in turn. */
export const LOG_TENANTS = 50;

const ADD = `
INSERT INTO audit.entries (idx, event_id, kind, tenant, subject, call_id, time, value, partition_key, recorded_at)
SELECT i, id, 'attempt.decided', 'tenant-' || i % ${LOG_TENANTS}, 'customer-' || i % 5000, 'call-' || i / 3, now(), convert_to(format(
  '{"activity_id":1,"activity_name":"Logon","category_uid":3,"class_uid":3002,"type_uid":300201,"time":%s,'
  '"severity_id":2,"severity":"Low","metadata":{"version":"1.8.0","uid":"%s","original_event_uid":"%s",'
  '"correlation_uid":"call-%s","sequence":%s,"tenant_uid":"tenant-%s","logged_time":%s,'
  '"log_name":"countersign.audit.events","product":{"name":"Countersign","vendor_name":"Countersign",'
  '"feature":{"name":"verification"}}},"user":{"uid":"customer-%s","type_id":1,"type":"User"},"status_id":2,'
  '"status":"Failure","status_code":"PIN_MISMATCH","status_detail":"INVALID_CREDENTIALS","auth_protocol_id":99,'
  '"auth_protocol":"PIN","auth_factors":[{"factor_type_id":11,"factor_type":"Password"}],"is_mfa":false,'
  '"is_remote":true,"logon_type_id":99,"logon_type":"Telephony","service":{"name":"verification"},'
  '"session":{"uid":"call-%s"},"unmapped":{"kind":"attempt.decided","attempt":%s,"level":"none",'
  '"channel":"swaig","agent":"agent-%s","verification_id":"%s","sealed":"%s"}}',
  1788000000000 + i, id, gen_random_uuid(), i / 3, i, i % ${LOG_TENANTS}, 1788000000000 + i, i % 5000, i / 3, i % 7, i % 90,
  gen_random_uuid(), md5(random()::text) || md5(random()::text) || md5(random()::text)), 'UTF8'), 'k', now()
FROM (SELECT i, gen_random_uuid() AS id FROM generate_series($1::int, $2::int) i) numbered
RETURNING idx, sha256('\\x00'::bytea || value) AS leaf`;

/**
 * Adds events of the size and form of real ones as the sequencer would leave them, but for the full tiles: it continues after
 * them. They count as published.
 */
export async function fillLog(database: Database, rows: number, origin: string): Promise<void> {
  const CHUNK = 50_000;
  const tree = TiledTree.empty();
  for (let from = 0; from < rows; from += CHUNK) {
    const added = await database.query<{ idx: string; leaf: Buffer }>(ADD, [from, Math.min(rows, from + CHUNK) - 1]);
    tree.append(added.sort((a, b) => Number(a.idx) - Number(b.idx)).map(({ leaf }) => leaf));
    say(`${tree.size} of ${rows} events`);
  }
  const tiles = tree.partialTiles();
  await database.query(
    `INSERT INTO audit.tiles (level, tile_index, width, hashes)
     SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bytea[])`,
    [
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ width }) => width),
      tiles.map(({ data }) => data),
    ],
  );
  const state = [tree.size, tree.range.serialize(), origin];
  await database.query('UPDATE audit.log_state SET size = $1, compact_range = $2, origin = $3', state);
  await database.query('UPDATE audit.publish_cursor SET next_idx = $1', [tree.size]);
  await database.query('VACUUM ANALYZE audit.entries');
}
