/** An answer to a request of a page. */
export interface PageAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

interface PageRequest {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The page has no token of its session, as that of another site. */
  readonly withoutToken?: true;
}

const MAX_REDIRECTS = 20;

/** A browser: cookies of each origin, and the token of the session that its page has read. */
export class Browser {
  readonly cookies = new Map<string, Map<string, string>>();
  csrfToken = '';

  constructor(readonly origin: string) {}

  /** Requests one page or resource; follows no redirect. */
  async send(url: string, { method = 'GET', body, headers, withoutToken }: PageRequest = {}): Promise<PageAnswer> {
    const target = new URL(url, this.origin);
    const jar = this.cookies.get(target.origin) ?? new Map<string, string>();
    this.cookies.set(target.origin, jar);
    const response = await fetch(target, {
      method,
      redirect: 'manual',
      headers: {
        ...(jar.size > 0 && { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }),
        ...(method !== 'GET' && !withoutToken && { 'x-csrf-token': this.csrfToken, origin: this.origin }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '' || /max-age=0|expires=Thu, 01 Jan 1970/i.test(cookie)) jar.delete(name);
      else jar.set(name, value);
    }
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
    return { status: response.status, headers: response.headers, text, json };
  }

  /** Follows redirects until the address fits. @returns that address, which is not requested */
  async follow(url: string, until: (url: URL) => boolean): Promise<string> {
    let next = new URL(url, this.origin);
    for (let count = 0; count < MAX_REDIRECTS; count++) {
      if (until(next)) return next.href;
      const { status, headers, text } = await this.send(next.href);
      const location = headers.get('location');
      if (location === null || status < 301 || status > 303)
        throw new Error(`${next.pathname} redirects nowhere: ${status} ${text.slice(0, 300)}`);
      next = new URL(location, next);
    }
    throw new Error('too many redirects');
  }

  /** Signs in at the provider. @returns the page at which the browser arrives */
  async signIn(query = ''): Promise<string> {
    const isPage = ({ origin, pathname }: URL): boolean =>
      origin === this.origin && !pathname.startsWith('/console/session');
    const page = await this.follow(`/console/session/sign-in${query}`, isPage);
    await this.readSession();
    return page;
  }

  async readSession(): Promise<PageAnswer> {
    const answer = await this.send('/console/session');
    this.csrfToken = typeof answer.json['csrfToken'] === 'string' ? answer.json['csrfToken'] : '';
    return answer;
  }

  cookie(name: string): string | undefined {
    return this.cookies.get(this.origin)?.get(name);
  }
}
