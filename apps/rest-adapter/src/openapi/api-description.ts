/** The OpenAPI document of this service. */
export abstract class ApiDescription {
  /** Made at the first request, because most processes are never asked for it. */
  abstract document(): Promise<object>;
}
