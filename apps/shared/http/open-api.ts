import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

export interface ApiDescription {
  readonly title: string;
  readonly description: string;
}

/** Where the documentation lies: open to all, since it holds nothing that the source does not. */
export const documentationPaths = /^\/docs(?:[/?-]|$)/;

export const tenantKey = 'tenant-key';
export const operatorKey = 'operator-key';

/** Serves the OpenAPI page at /docs and its JSON at /docs-json, both made from the decorators of the controllers. */
export function serveOpenApi(app: NestFastifyApplication, description: ApiDescription): void {
  SwaggerModule.setup('docs', app, () => openApiOf(app, description), {
    jsonDocumentUrl: 'docs-json',
    raw: ['json'],
    customSiteTitle: description.title,
  });
}

export function openApiOf(
  app: NestFastifyApplication,
  { title, description }: ApiDescription,
): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle(title)
    .setDescription(description)
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: "A tenant's API key, mf_…" }, tenantKey)
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'MAILFOLD_ADMIN_KEY' }, operatorKey)
    .build();
  return SwaggerModule.createDocument(app, config);
}
