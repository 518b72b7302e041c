import { eventually } from '@countersign/testing';
import { type Client, type HttpAnswer } from '../client.js';

/** A JSON Schema, as far as the tests read it. */
export interface SchemaNode {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly examples?: readonly unknown[];
  readonly enum?: readonly unknown[];
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly allOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

interface MediaType {
  readonly schema?: SchemaNode;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

interface DescribedAnswer {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, MediaType>>;
}

interface DescribedParameter {
  readonly name: string;
  readonly in: string;
  readonly schema: SchemaNode;
}

interface DescribedOperation {
  readonly operationId: string;
  readonly parameters?: readonly DescribedParameter[];
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly requestBody?: { readonly content: Readonly<Record<string, MediaType>> };
  readonly responses: Readonly<Record<string, DescribedAnswer>>;
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, SchemaNode>>;
    readonly responses: Readonly<Record<string, DescribedAnswer>>;
  };
}

/** An example of a request body. */
export interface BodyExample {
  readonly contentType: string;
  readonly value: unknown;
}

/** One call of the API. */
export interface ApiCall extends DescribedOperation {
  readonly method: string;
  readonly path: string;
  /** Empty for a public call. */
  readonly scopes: readonly string[];
  readonly examples: readonly BodyExample[];
}

/** A stream of events has no end. `apps/audit/src/search` tests it. */
const ENDLESS = '/v1/events/stream';

/** Every call that the document describes, except {@link ENDLESS}. */
export function callsOf(document: ApiDocument): ApiCall[] {
  const paths = Object.entries(document.paths).filter(([path]) => path !== ENDLESS);
  return paths.flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      ...operation,
      ...{ path, method: method.toUpperCase() },
      scopes: (operation.security ?? []).flatMap((one) => Object.values(one).flat()),
      examples: Object.entries(operation.requestBody?.content ?? {}).flatMap(([contentType, media]) =>
        examplesOf(document, media).map((value) => ({ contentType, value })),
      ),
    })),
  );
}

/** The names of the parameters in a path, in their order. */
export function parametersOf(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}

/** The paths of the calls that create what has no call of its own for that. */
const CREATED_BY: Readonly<Record<string, string>> = { delivery: '/v1/tenants/{tenant}/webhooks/{webhook}/test' };

/** The values of the parameters in a path. */
export type Values = Readonly<Record<string, string>>;

/** @throws Error for a parameter without a value, so that no call is left out */
export function filled(path: string, values: Values): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${path} needs a value of ${name}: add one to the test`);
    return encodeURIComponent(value);
  });
}

/** Sends calls of the document to a running product. */
export class DocumentClient {
  private constructor(
    private readonly client: Client,
    readonly document: ApiDocument,
  ) {}

  static async open(client: Client): Promise<DocumentClient> {
    const { json } = await client.manage('GET', '/openapi.json');
    return new DocumentClient(client, json as unknown as ApiDocument);
  }

  get calls(): ApiCall[] {
    return callsOf(this.document);
  }

  /**
   * Sends a call at the first REST adapter. Text is sent as it is, and any other body as JSON.
   * @param query those that the call does not have are left out
   */
  send(call: ApiCall, values: Values, key: string, body?: BodyExample, query: Values = {}): Promise<HttpAnswer> {
    const value = body?.value;
    const known = (call.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name);
    const sent = new URLSearchParams(Object.entries(query).filter(([name]) => known.includes(name)));
    const search = sent.size === 0 ? '' : `?${sent.toString()}`;
    return this.client.request(`${this.client.product.restUrls()[0] ?? ''}${filled(call.path, values)}${search}`, {
      method: call.method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': body.contentType }),
      },
      ...(body === undefined ? {} : { body: typeof value === 'string' ? value : JSON.stringify(value) }),
    });
  }

  /**
   * Values of all parameters in all paths. Resources without a value are created: with the example of the `POST` to their list,
   * by the administrator.
   */
  async withResources(known: Values): Promise<Values> {
    const values: Record<string, string> = { ...known };
    for (const { path } of this.calls) {
      for (const name of parametersOf(path).filter((one) => values[one] === undefined)) {
        const list = path.slice(0, path.indexOf(`/{${name}}`));
        if (name === 'event') {
          values[name] = await this.#anEventOf(values['tenant'] ?? '');
          continue;
        }
        const creating = CREATED_BY[name] ?? list;
        const create = this.calls.find((one) => one.method === 'POST' && one.path === creating);
        if (create === undefined)
          throw new Error(`${path}: no call creates a ${name}, so the test needs a value of it`);
        const { status, json, text } = await this.send(
          create,
          values,
          this.client.product.adminKey,
          create.examples[0],
        );
        if (status !== 201) throw new Error(`POST ${create.path} was answered with ${status}: ${text}`);
        values[name] = String(json['id'] ?? json[name]);
      }
    }
    return values;
  }

  /** The id of an event of a tenant, once a signed checkpoint covers it. No call creates events. */
  #anEventOf(tenant: string): Promise<string> {
    return eventually('the tenant has an event', async () => {
      const { json } = await this.client.manage('GET', `/v1/events?tenant=${tenant}&limit=1`);
      const id = (json['items'] as readonly { readonly id: string }[] | undefined)?.[0]?.id;
      const read = id && (await this.client.manage('GET', `/v1/events/${id}`));
      return read && read.json['proof'] !== null ? id : undefined;
    });
  }
}

function examplesOf(document: ApiDocument, { schema, example, examples }: MediaType): readonly unknown[] {
  return [
    ...(example === undefined ? [] : [example]),
    ...Object.values(examples ?? {}).map(({ value }) => value),
    ...(schema === undefined ? [] : (resolved(document, schema).examples ?? [])),
  ];
}

function resolved(document: ApiDocument, schema: SchemaNode): SchemaNode {
  return document.components.schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? schema;
}
