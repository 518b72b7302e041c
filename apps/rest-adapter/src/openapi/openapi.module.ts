import { Module, type DynamicModule } from '@nestjs/common';
import { ApiDescription } from './api-description.js';
import { DocsPageController } from './docs-page.controller.js';
import { OpenApiController } from './openapi.controller.js';

/** Serves the description of the API, and a page that shows it. */
@Module({})
export class OpenApiModule {
  /** @param describe makes the document; called at the first request for it, and again after it failed */
  static serving(describe: () => Promise<object>): DynamicModule {
    let document: Promise<object> | undefined;
    const describeOnce = (): Promise<object> =>
      (document ??= describe().catch((error: unknown) => {
        document = undefined;
        throw error;
      }));
    const description: ApiDescription = { document: describeOnce };
    return {
      module: OpenApiModule,
      controllers: [OpenApiController, DocsPageController],
      providers: [{ provide: ApiDescription, useValue: description }],
    };
  }
}
