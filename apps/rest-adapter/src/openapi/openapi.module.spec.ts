import { type ValueProvider } from '@nestjs/common';
import { expect, it } from '@jest/globals';
import { type ApiDescription } from './api-description.js';
import { OpenApiModule } from './openapi.module.js';

it('the API description is made once, and made again only after it failed', async () => {
  let calls = 0;
  const { providers } = OpenApiModule.serving(() =>
    ++calls === 1 ? Promise.reject(new Error('in a test')) : Promise.resolve({ calls }),
  );
  const description = (providers?.[0] as ValueProvider<ApiDescription>).useValue;
  await expect(description.document()).rejects.toThrow('in a test');
  expect(await description.document()).toEqual({ calls: 2 });
  expect(await description.document()).toEqual({ calls: 2 });
});
