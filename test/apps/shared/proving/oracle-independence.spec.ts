import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(__dirname, '../../../..');
const folder = join(root, 'apps/shared/proving/oracle');

test('an oracle shares nothing with the folds it checks: only the events, and node itself', () => {
  const imports = readdirSync(folder).flatMap((file) => {
    const path = join(folder, file);
    return [...readFileSync(path, 'utf8').matchAll(/from '([^']+)'/g)].map(([, name = '']) =>
      name.startsWith('.') ? relative(root, join(dirname(path), name)) : name,
    );
  });
  expect(imports.length).toBeGreaterThan(10);
  expect(imports.filter((name) => !/^(domain\/|node:|apps\/shared\/proving\/oracle\/)/.test(name))).toEqual(
    [],
  );
});
