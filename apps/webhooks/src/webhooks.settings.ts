import { IsBoolean, IsInt, Max, Min, ValidateBy } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { Secret } from '@countersign/crypto';
import { IsSecret, InboxSettings } from '@countersign/hosting';
import { parseNetworks } from './targets/addresses.js';
import { dnsResolverOf } from './targets/resolve-host.js';

/** A list that `parse` can read. */
function IsListOf(what: string, parse: (text: string) => unknown): PropertyDecorator {
  const canBeRead = (value: unknown): boolean => {
    try {
      return parse(String(value)) !== undefined;
    } catch {
      return false;
    }
  };
  return ValidateBy({
    name: 'isListOf',
    validator: { validate: canBeRead, defaultMessage: () => `$property must be ${what}, separated by commas` },
  });
}

export class WebhooksSettings extends InboxSettings {
  @Meaning(
    'Keys that encrypt the signing secrets: `id:key[,id:key…]`, each key base64url of 32 bytes; the first one encrypts, all decrypt',
  )
  @IsSecret()
  WEBHOOK_KEYS!: Secret;

  @Meaning('Allows URLs with `http://`. Events are then sent in clear')
  @IsBoolean()
  WEBHOOK_ALLOW_HTTP: boolean = false;

  @Meaning(
    'Address blocks that are allowed although they are not public, such as `10.20.0.0/16,fd00:20::/32`. Every tenant can send requests to them',
  )
  @IsListOf('address blocks such as 10.0.0.0/8', parseNetworks)
  WEBHOOK_ALLOWED_NETWORKS: string = '';

  @Meaning(
    'DNS servers that resolve the hosts of webhooks: `address[:port][,address[:port]…]`. Empty: those of the system',
  )
  @IsListOf('addresses of DNS servers', (text) => dnsResolverOf(text, 1000))
  WEBHOOK_DNS_SERVERS: string = '';

  @Meaning('Longest time of one attempt, from the connection to the status of the answer')
  @IsInt()
  @Min(100)
  @Max(60_000)
  WEBHOOK_TIMEOUT_MS: number = 15_000;

  @Meaning('Requests of one process at a time; tenants share them, and one tenant alone gets half of them')
  @IsInt()
  @Min(2)
  @Max(1024)
  WEBHOOK_MAX_IN_FLIGHT: number = 64;

  @Meaning('Requests of one process to one URL at a time')
  @IsInt()
  @Min(1)
  @Max(64)
  WEBHOOK_MAX_PER_URL: number = 4;

  @Meaning(
    'Pause after the first failed attempt of a delivery; it doubles with every further one, and half of it is random',
  )
  @IsInt()
  @Min(1)
  @Max(3600)
  WEBHOOK_RETRY_SECONDS: number = 5;

  @Meaning('Longest pause between two attempts of a delivery')
  @IsInt()
  @Min(1)
  @Max(86_400)
  WEBHOOK_MAX_RETRY_SECONDS: number = 3600;

  @Meaning('A delivery is given up when its next attempt would be later than this after its first one')
  @IsInt()
  @Min(1)
  @Max(2_592_000)
  WEBHOOK_GIVE_UP_SECONDS: number = 86_400;

  @Meaning('A webhook is disabled when all its attempts have failed for this long')
  @IsInt()
  @Min(1)
  @Max(2_592_000)
  WEBHOOK_DISABLE_SECONDS: number = 259_200;

  @Meaning(
    'How long deliveries are kept, with their events. Must exceed the time after which the bus can deliver an event again',
  )
  @IsInt()
  @Min(1)
  @Max(3650)
  WEBHOOK_RETENTION_DAYS: number = 30;
}
