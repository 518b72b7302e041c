import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Requires } from '@countersign/api';

/** The page loads nothing from another origin and runs no inline script. Swagger UI has its icons in `data:` addresses. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Addresses are relative, so the page works below the prefix of a proxy too. */
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Countersign REST API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="page"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/page.js"></script>
  </body>
</html>
`;

/** The public validator of Swagger UI is switched off: the browser sends nothing to other hosts. */
const PAGE_SCRIPT = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#page', deepLinking: true, validatorUrl: null });
`;

/** One day, in place of the server's `no-store`: the files that the page loads hold nothing secret. */
const CACHE_CONTROL = 'public, max-age=86400';

const { resolve } = createRequire(import.meta.url);
const readPackageFile = (name: string): Buffer => readFileSync(resolve(`swagger-ui-dist/${name}`));

/** A page for browsers that shows the description of the API. */
@ApiExcludeController()
@Controller('docs')
export class DocsPageController {
  // Read once: anyone may request these files, and the script has 1.5 MB.
  readonly #style = readPackageFile('swagger-ui.css');
  readonly #bundle = readPackageFile('swagger-ui-bundle.js');

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', CONTENT_SECURITY_POLICY)
  @Header('referrer-policy', 'no-referrer')
  @Requires('public')
  page(): string {
    return PAGE;
  }

  @Get('page.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  @Header('cache-control', CACHE_CONTROL)
  @Requires('public')
  script(): string {
    return PAGE_SCRIPT;
  }

  @Get('swagger-ui.css')
  @Header('content-type', 'text/css; charset=utf-8')
  @Header('cache-control', CACHE_CONTROL)
  @Requires('public')
  style(): Buffer {
    return this.#style;
  }

  @Get('swagger-ui-bundle.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  @Header('cache-control', CACHE_CONTROL)
  @Requires('public')
  bundle(): Buffer {
    return this.#bundle;
  }
}
