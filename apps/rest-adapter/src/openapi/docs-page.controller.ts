import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { Controller, Get, Header, Param, StreamableFile } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Requires } from '../http/authenticate.js';
import { Problem } from '../http/problems.js';

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

/** The files of the npm package that the page loads, with their types. */
const PACKAGE_FILES: ReadonlyMap<string, string> = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
]);
const { resolve } = createRequire(import.meta.url);

/** A page for browsers that shows the description of the API, with files from disk. */
@ApiExcludeController()
@Controller('docs')
export class DocsPageController {
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
  @Requires('public')
  script(): string {
    return PAGE_SCRIPT;
  }

  @Get(':file')
  @Requires('public')
  file(@Param('file') name: string): StreamableFile {
    const type = PACKAGE_FILES.get(name);
    if (type === undefined) throw new Problem('not-found');
    return new StreamableFile(createReadStream(resolve(`swagger-ui-dist/${name}`)), { type });
  }
}
