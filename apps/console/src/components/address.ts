import { useParams, useSearch } from '@tanstack/react-router';

/** Parameters of the path of a page. @throws Error for a name that the route of the page does not have */
export function usePath<Name extends string>(...names: readonly Name[]): Readonly<Record<Name, string>> {
  const params: Readonly<Record<string, string | undefined>> = useParams({ strict: false });
  return Object.fromEntries(
    names.map((name) => {
      const value = params[name];
      if (value === undefined) throw new Error(`The route has no parameter ${name}.`);
      return [name, value];
    }),
  ) as Record<Name, string>;
}

/** A parameter of the query of a page. */
export function useQueryParameter(name: string): string | undefined {
  const search: Readonly<Record<string, unknown>> = useSearch({ strict: false });
  const value = search[name];
  return typeof value === 'string' ? value : undefined;
}
