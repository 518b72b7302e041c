import { buildMessage, isURL, Matches, ValidateBy, type ValidationOptions } from 'class-validator';
import { Secret } from '@countersign/crypto';

/** A setting of type {@link Secret} of at least `min` characters. */
export function IsSecret(min = 1, options?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isSecret',
      validator: {
        validate: (value: unknown) => value instanceof Secret && value.reveal().length >= min,
        defaultMessage: () =>
          min > 1 ? `$property must be set, with at least ${min} characters` : '$property must be set',
      },
    },
    options,
  );
}

/** The public base address of an adapter, without `/swaig` or `/v1`. */
export function IsPublicUrl(): PropertyDecorator {
  return ValidateBy({
    name: 'isPublicUrl',
    validator: {
      validate: isPublicUrl,
      defaultMessage: buildMessage(
        () =>
          '$property must be an http or https address without credentials, without ? or #, and without /swaig at its end: /swaig is added to it',
      ),
    },
  });
}

const DAY_SECONDS = 86_400;

/**
 * A retention in days that is longer than Kafka can deliver a command again. Kafka removes whole segments, each of a tenth of the
 * retention, so a record can remain for a tenth longer.
 */
export function OutlastsCommands(): PropertyDecorator {
  return ValidateBy({
    name: 'outlastsCommands',
    validator: {
      validate: (value, args) => {
        const { COMMAND_RETENTION_SECONDS } = args?.object as { readonly COMMAND_RETENTION_SECONDS: number };
        // A retention that is no number has a fault of its own.
        return !(Number(value) * DAY_SECONDS <= COMMAND_RETENTION_SECONDS * 1.1);
      },
      defaultMessage: buildMessage(() => '$property must be longer than COMMAND_RETENTION_SECONDS and a tenth of it'),
    },
  });
}

/** `host:port[,host:port…]`, the form of Kafka clients. */
export function IsBrokerList(): PropertyDecorator {
  return ValidateBy({
    name: 'isBrokerList',
    validator: {
      validate: (value) => typeof value === 'string' && value.split(',').every(isHostAndPort),
      defaultMessage: buildMessage(
        () => '$property must be host:port[,host:port…], without http:// and with ports from 1 to 65535',
      ),
    },
  });
}

function isPublicUrl(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const isAddress = isURL(value, {
    require_tld: false,
    require_protocol: true,
    protocols: ['http', 'https'],
    disallow_auth: true,
    allow_query_components: false,
    allow_fragments: false,
  });
  return isAddress && !/\/swaig\/*$/i.test(value);
}

function isHostAndPort(text: string): boolean {
  const [, port] = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text) ?? [];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
}

/** The origin of a log is a URL without its scheme (c2sp.org/tlog-checkpoint). */
export function IsLogOrigin(): PropertyDecorator {
  return Matches(/^(?=.{1,120}$)[a-z0-9][a-z0-9.-]*(\/[A-Za-z0-9._-]+)*$/, {
    message: '$property must be a URL without scheme and query, of at most 120 characters, such as example.com/audit',
  });
}
