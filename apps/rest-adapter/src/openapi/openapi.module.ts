import { Module, type DynamicModule } from '@nestjs/common';
import { ApiDescription } from './api-description.js';
import { DocsPageController } from './docs-page.controller.js';
import { EventsPageController } from './events-page.controller.js';
import { OpenApiController } from './openapi.controller.js';

/** Serves the descriptions of the API and of the events, and a page for each. */
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
      controllers: [OpenApiController, DocsPageController, EventsPageController],
      providers: [{ provide: ApiDescription, useValue: description }],
    };
  }
}
