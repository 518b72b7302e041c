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

/** How this process authenticates brokers and logs in to them. */
export interface KafkaSecurity {
  /** Absent: no encryption. */
  readonly tls?: {
    /** Trusted certificate authorities, PEM. Default: those of Node. */
    readonly ca?: string;
    /** Client certificate, for brokers that demand one. */
    readonly client?: { readonly cert: string; readonly key: Secret };
  };
  /** Absent: the brokers need no login, or the client certificate is the login. */
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

/** Always verifies chain and host name, otherwise any server at the address would be trusted. */
export function tlsOptions({ ca, client }: NonNullable<KafkaSecurity['tls']>): ConnectionOptions {
  return {
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment has no effect.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(client === undefined ? {} : { cert: client.cert, key: client.key.reveal() }),
  };
}

/**
 * kafkajs reports every failed login as a permanent refusal, even when the connection was lost during the login, as in
 * a failover. The consumer then ends for good. This wrapper keeps the error of a lost connection.
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
