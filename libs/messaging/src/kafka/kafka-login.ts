import { createRequire } from 'node:module';
import { type ConnectionOptions } from 'node:tls';
import { type Secret } from '@countersign/crypto';
import {
  type AuthenticationProviderArgs,
  type Authenticator,
  type Mechanism,
  type SaslAuthenticateArgs,
} from 'kafkajs';
import { isConnectionLost } from './kafkajs-patches.js';

/** What brokers are shown, and what is demanded of them. */
export interface KafkaSecurity {
  /** Absent: nothing is encrypted. */
  readonly tls?: {
    /** Authorities that may have signed the brokers' certificates, PEM. Default: those that Node brings along. */
    readonly ca?: string;
    /** For brokers that ask for a certificate. */
    readonly client?: { readonly cert: string; readonly key: Secret };
  };
  /** Absent: the brokers let everybody in, or whoever shows a certificate. */
  readonly login?: {
    readonly mechanism: SaslMechanism;
    readonly username: string;
    readonly password: Secret;
  };
}

export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];

type Provider = (login: { username: string; password: string }) => (args: AuthenticationProviderArgs) => Authenticator;

const PROVIDERS: Readonly<Record<SaslMechanism, string>> = {
  PLAIN: 'plain',
  'SCRAM-SHA-256': 'scram256',
  'SCRAM-SHA-512': 'scram512',
};
const load = createRequire(import.meta.url);

/** Chain and host name are always verified: whoever can answer at the address would be believed otherwise. */
export function tlsOptions({ ca, client }: NonNullable<KafkaSecurity['tls']>): ConnectionOptions {
  return {
    // Said aloud, so that NODE_TLS_REJECT_UNAUTHORIZED=0 of the environment changes nothing.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(client === undefined ? {} : { cert: client.cert, key: client.key.reveal() }),
  };
}

/**
 * kafkajs takes every failure of a login for a refusal that never passes, also a connection that broke in the middle of
 * it, as connections do in a failover; a consumer then ends for good. Here the loss keeps its own error.
 */
export function saslMechanism({ mechanism, username, password }: NonNullable<KafkaSecurity['login']>): Mechanism {
  const provider = load(`kafkajs/src/broker/saslAuthenticator/${PROVIDERS[mechanism]}.js`) as Provider;
  const login = provider({ username, password: password.reveal() });
  return {
    mechanism,
    authenticationProvider: (args) => {
      let lost: unknown;
      const saslAuthenticate = async <T>(request: SaslAuthenticateArgs<T>): Promise<T | void> => {
        try {
          return await args.saslAuthenticate(request);
        } catch (error) {
          if (isConnectionLost(error)) lost = error;
          throw error;
        }
      };
      const authenticator = login({ ...args, saslAuthenticate });
      return {
        authenticate: () =>
          authenticator.authenticate().catch((error: unknown) => {
            throw lost ?? error;
          }),
      };
    },
  };
}
