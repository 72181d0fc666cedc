import { ApiProperty } from '@nestjs/swagger';
import { dailyFigures } from './daily-analytics.query';

/** The shape of what PostgreSQL writes as JSON; for the documentation. */
export class DailyAnalytics {
  @ApiProperty({
    type: 'array',
    items: {
      type: 'object',
      required: ['day', ...dailyFigures],
      properties: {
        day: { type: 'string', format: 'date' },
        ...Object.fromEntries(dailyFigures.map((name) => [name, { type: 'integer' }])),
      },
    },
  })
  items!: object[];
}
