import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import Provider from 'oidc-provider';

export const CLIENT_ID = 'countersign-console';
export const AUDIENCE = 'urn:countersign:api';
const KEY_ID = 'test';
const ALGORITHM = 'RS256';

/** A person with an account at the provider. */
export interface Account {
  readonly name: string;
  readonly roles: readonly string[];
}

/** A real OpenID provider (`oidc-provider`) on a port of this machine. Its page signs in {@link person} at once. */
export class OpenIdTestProvider {
  /** Id of the account of who sits at the browser. */
  person = '';

  private constructor(
    readonly issuer: string,
    private readonly server: Server,
    private readonly key: KeyObject,
  ) {}

  /** Opens the port, so that the issuer is known. */
  static async open(): Promise<OpenIdTestProvider> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return new OpenIdTestProvider(issuer, server, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
  }

  /** @param origins of the consoles, whose callbacks are registered */
  serve(accounts: Readonly<Record<string, Account>>, origins: readonly string[]): void {
    const jwk = { ...this.key.export({ format: 'jwk' }), kid: KEY_ID, use: 'sig', alg: ALGORITHM };
    const provider = new Provider(this.issuer, {
      clients: [
        {
          ...{ client_id: CLIENT_ID, token_endpoint_auth_method: 'none' },
          redirect_uris: origins.map((origin) => `${origin}/console/session/callback`),
          post_logout_redirect_uris: origins.map((origin) => `${origin}/console/`),
        },
      ],
      jwks: { keys: [jwk] },
      cookies: { keys: [randomBytes(16).toString('hex')] },
      claims: { openid: ['sub'], profile: ['name', 'roles'] },
      conformIdTokenClaims: false,
      // Given, because the provider prints a line for each default.
      ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_context: unknown, { uid }: { readonly uid: string }) => `/interaction/${uid}` },
      findAccount: (_context: unknown, id: string) => {
        const account = accounts[id];
        return account && { accountId: id, claims: () => ({ sub: id, ...account }) };
      },
    });
    const callback = provider.callback();
    this.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (!request.url?.startsWith('/interaction/')) void callback(request, response);
      else void this.#interact(provider, request, response);
    });
  }

  /** A token that this provider signed, for the API and an administrator unless the claims say otherwise. */
  token(
    claims: Readonly<Record<string, unknown>> = {},
    header: Readonly<Record<string, unknown>> = {},
    key = this.key,
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const usual = { iss: this.issuer, aud: AUDIENCE, sub: 'anna', name: 'Anna', roles: ['admin'] };
    const all = Object.entries({ ...usual, iat: now, exp: now + 60, ...claims });
    return new SignJWT(Object.fromEntries(all.filter(([, value]) => value !== undefined)))
      .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID, typ: 'at+jwt', ...header })
      .sign(key);
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  async #interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { prompt, params, grantId, session } = await provider.interactionDetails(request, response);
    if (prompt.name === 'login') {
      return provider.interactionFinished(request, response, { login: { accountId: this.person } });
    }
    const known = grantId === undefined ? undefined : await provider.Grant.find(grantId);
    const names = { accountId: session?.accountId ?? '', clientId: String(params['client_id']) };
    const grant = known ?? new provider.Grant(names);
    grant.addOIDCScope(String(params['scope']));
    await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
  }
}
