import { validateSync } from 'class-validator';
import { InboxSettings } from './settings.js';
import { IsBrokerList, IsPublicUrl } from './setting-rules.js';

class Addresses {
  @IsPublicUrl() PUBLIC_URL = 'https://verify.example.com';
  @IsBrokerList() KAFKA_BROKERS = 'localhost:9092';
}

const faultsOf = (fields: Partial<Addresses>): string[] =>
  validateSync(Object.assign(new Addresses(), fields)).map(({ property }) => property);

it.each([
  'http://localhost:3000',
  'https://verify.example.com/',
  'https://example.com/voice',
  'https://203.0.113.7:8443',
])('accepts the public address %s', (PUBLIC_URL) => expect(faultsOf({ PUBLIC_URL })).toEqual([]));

it.each([
  'https://verify.example.com/swaig',
  'https://verify.example.com/swaig/',
  'https://verify.example.com/voice/SWAIG',
  'https://user:password@verify.example.com',
  'https://verify.example.com?x=1',
  'https://verify.example.com#top',
  'verify.example.com',
  'ftp://verify.example.com',
])('refuses the public address %s', (PUBLIC_URL) => expect(faultsOf({ PUBLIC_URL })).toEqual(['PUBLIC_URL']));

it.each(['localhost:9092', 'a.example:9092,b_2.example:9093', '127.0.0.1:1', '[::1]:9092'])(
  'accepts the brokers %s',
  (KAFKA_BROKERS) => expect(faultsOf({ KAFKA_BROKERS })).toEqual([]),
);

it.each([
  'localhost:99999',
  'localhost:0',
  'localhost',
  'http://localhost:9092',
  'kafka://localhost:9092',
  'localhost:9092,',
  'localhost:9092, other:9092',
  'localhost:9092/topic',
])('refuses the brokers %s', (KAFKA_BROKERS) => expect(faultsOf({ KAFKA_BROKERS })).toEqual(['KAFKA_BROKERS']));

it.each([
  [1, 78_000, []],
  [1, 80_000, ['INBOX_DAYS']],
  [8, 604_800, []],
  [7, 604_800, ['INBOX_DAYS']],
])('INBOX_DAYS %i is longer than commands of %i s remain on Kafka, or refused', (INBOX_DAYS, seconds, faults) => {
  const settings = Object.assign(new InboxSettings(), { INBOX_DAYS, COMMAND_RETENTION_SECONDS: seconds });
  const found = validateSync(settings).map(({ property }) => property);
  expect(found.filter((property) => property === 'INBOX_DAYS')).toEqual(faults);
});
