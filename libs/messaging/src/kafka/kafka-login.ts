import { type ConnectionOptions } from 'node:tls';
import { type Secret } from '@countersign/crypto';
import { type SASLOptions } from 'kafkajs';

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

/** Always verifies chain and host name, otherwise any server at the address would be trusted. */
export function tlsOptions({ ca, client }: NonNullable<KafkaSecurity['tls']>): ConnectionOptions {
  return {
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment has no effect.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(client === undefined ? {} : { cert: client.cert, key: client.key.reveal() }),
  };
}

export function saslOptions({ mechanism, username, password }: NonNullable<KafkaSecurity['login']>): SASLOptions {
  const login = { username, password: password.reveal() };
  switch (mechanism) {
    case 'PLAIN':
      return { mechanism: 'plain', ...login };
    case 'SCRAM-SHA-256':
      return { mechanism: 'scram-sha-256', ...login };
    case 'SCRAM-SHA-512':
      return { mechanism: 'scram-sha-512', ...login };
  }
}
