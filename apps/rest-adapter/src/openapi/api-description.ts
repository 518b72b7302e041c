/** The OpenAPI document of this service. */
export abstract class ApiDescription {
  /** Made at the first request, because most processes never get one. */
  abstract document(): Promise<object>;
}
