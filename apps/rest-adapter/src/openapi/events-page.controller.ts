import { readFileSync } from 'node:fs';
import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Requires } from '@countersign/api';

/** The page has no script. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** One day, in place of the server's `no-store`: the files hold nothing secret. */
const CACHE_CONTROL = 'public, max-age=86400';

/** The build copies these files; `npm run docs` generates the page and the document. */
const readDocument = (name: string): Buffer => readFileSync(new URL(`../../../../docs/${name}`, import.meta.url));

/** A page for browsers that describes the events on Kafka, and the AsyncAPI document that it was generated from. */
@ApiExcludeController()
@Controller('docs')
export class EventsPageController {
  // Read once: anyone may request these files.
  readonly #page = readDocument('events.html');
  readonly #style = readDocument('events.css');
  readonly #document = readDocument('asyncapi.yaml');

  @Get('events')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', CONTENT_SECURITY_POLICY)
  @Header('referrer-policy', 'no-referrer')
  @Requires('public')
  page(): Buffer {
    return this.#page;
  }

  @Get('events.css')
  @Header('content-type', 'text/css; charset=utf-8')
  @Header('cache-control', CACHE_CONTROL)
  @Requires('public')
  style(): Buffer {
    return this.#style;
  }

  @Get('asyncapi.yaml')
  @Header('content-type', 'application/yaml; charset=utf-8')
  @Requires('public')
  document(): Buffer {
    return this.#document;
  }
}
