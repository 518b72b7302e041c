import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions, type Server } from 'node:tls';
import { Secret } from '@countersign/crypto';
import { METRICS, type Logger } from '@countersign/observability';
import { authoritiesFault, identityFault, runEvery, settingsInvalid } from '@countersign/runtime';
import { type HttpSettings } from './http-settings.js';

/** TLS 1.2 with forward secrecy and authenticated encryption only, and every cipher of TLS 1.3. */
const PROTOCOL: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  honorCipherOrder: true,
  ciphers: [
    ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
    ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ].join(':'),
};

/** What was read from the files, and the rule that it breaks. */
interface ReadFiles {
  readonly context: SecureContextOptions;
  /** Undefined: the files can be used. */
  readonly fault: string | undefined;
  /** End of the certificate's validity, in seconds since 1970; NaN with a fault. */
  readonly expiresAt: number;
}

const isSame = (a: SecureContextOptions, b: SecureContextOptions): boolean =>
  a.cert === b.cert && a.key === b.key && a.ca === b.ca;

/** Certificate, key and authorities of the TLS ports. Changed files are used for new connections without a restart. */
export class TlsFiles {
  readonly #servers = new Set<Server>();
  #fault: string | undefined;

  private constructor(
    private readonly service: string,
    private readonly settings: HttpSettings,
    private readonly logger: Logger,
    private used: ReadFiles,
  ) {}

  /**
   * @returns undefined without TLS
   * @throws ServiceError SETTINGS_INVALID that names the setting and its rule, and nothing of the files
   */
  static async open(service: string, settings: HttpSettings, logger: Logger): Promise<TlsFiles | undefined> {
    const { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE, OPS_TLS } = settings;
    if (TLS_CERT_FILE === undefined && TLS_KEY_FILE === undefined) {
      if (TLS_CLIENT_CA_FILE === undefined && !OPS_TLS) return undefined;
      const other = OPS_TLS ? 'OPS_TLS is true' : 'TLS_CLIENT_CA_FILE is set';
      throw settingsInvalid([`TLS_CERT_FILE and TLS_KEY_FILE must be set when ${other}`]);
    }
    const read = await readFiles(settings);
    if (read.fault !== undefined) throw settingsInvalid([read.fault]);
    return new TlsFiles(service, settings, logger, read);
  }

  /** The options of a new server, which {@link update} then keeps current. */
  get context(): SecureContextOptions {
    return { ...PROTOCOL, ...this.used.context };
  }

  /** Updates a server from now on, until it closes. */
  update(server: Server): void {
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
  }

  /** Reads the files at an interval. @returns ends it */
  watch(): () => Promise<void> {
    const labels = { service: this.service };
    const hide = [
      METRICS.tlsExpiry.read(() => [{ labels, value: this.used.expiresAt }]),
      METRICS.tlsFilesRefused.read(() => [{ labels, value: this.#fault === undefined ? 0 : 1 }]),
    ];
    const stop = runEvery(
      this.settings.TLS_RELOAD_SECONDS * 1000,
      () => this.#refresh(),
      (error) => this.logger.error({ err: error }, 'reading the TLS files failed'),
    );
    return () => stop().finally(() => hide.forEach((end) => end()));
  }

  /** Certificate and key change together or not at all: a pair that breaks a rule leaves the old one in use. */
  async #refresh(): Promise<void> {
    const read = await readFiles(this.settings);
    // Files are often written one after the other, so a fault may be over at the next reading.
    if (read.fault !== undefined && read.fault !== this.#fault) {
      this.logger.warn({ fault: read.fault }, 'the changed TLS files are not used; the old ones stay in use');
    }
    this.#fault = read.fault;
    if (read.fault !== undefined || isSame(read.context, this.used.context)) return;
    this.used = read;
    for (const server of this.#servers) server.setSecureContext(this.context);
    const expires = new Date(read.expiresAt * 1000).toISOString();
    this.logger.info({ expires }, 'new connections use the changed TLS files');
  }
}

async function readFiles(settings: HttpSettings): Promise<ReadFiles> {
  const context: { cert?: string; key?: string; ca?: string } = {};
  const names = { cert: 'TLS_CERT_FILE', key: 'TLS_KEY_FILE', ca: 'TLS_CLIENT_CA_FILE' } as const;
  const unusable = (fault: string): ReadFiles => ({ context: {}, fault, expiresAt: NaN });
  for (const part of ['cert', 'key', 'ca'] as const) {
    const path = settings[names[part]];
    if (path === undefined) continue;
    try {
      context[part] = await readFile(path, 'utf8');
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      return unusable(`${names[part]} must be the path of a file that can be read (${code})`);
    }
  }
  const { cert, key, ca } = context;
  const now = Date.now();
  const identity = identityFault(names, cert, key === undefined ? undefined : new Secret(key), now);
  if (identity !== undefined || cert === undefined) return unusable(identity ?? '');
  const authorities = ca === undefined ? undefined : authoritiesFault(ca, now);
  if (authorities !== undefined) return unusable(`${names.ca} ${authorities}`);
  try {
    createSecureContext({ ...PROTOCOL, ...context });
  } catch (error) {
    // Of OpenSSL, such as a key that is too short.
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return unusable(`${names.cert} must be usable with ${names.key} (${code})`);
  }
  return { context, fault: undefined, expiresAt: Date.parse(new X509Certificate(cert).validTo) / 1000 };
}
