import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayNotEmpty,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { slotCount } from '../../../domain/slot';
import { projectionTiers } from '../../../projections/tiers';

const tierNames = projectionTiers.map(({ tier }) => tier);
const slotMax = slotCount - 1;

export class SlotsBody {
  @ApiProperty({ minimum: 0, maximum: slotMax })
  @IsInt()
  @Min(0)
  @Max(slotMax)
  from!: number;

  @ApiProperty({ minimum: 0, maximum: slotMax, description: 'Included.' })
  @IsInt()
  @Min(0)
  @Max(slotMax)
  to!: number;
}

/** A task, as on the command line; which fields belong together is checked there too. */
export class PlanBody {
  @ApiProperty({ enum: ['rebuild', 'repartition'] })
  @IsIn(['rebuild', 'repartition'])
  kind!: 'rebuild' | 'repartition';

  @ApiProperty({ enum: tierNames, isArray: true })
  @IsArray()
  @ArrayNotEmpty()
  @IsIn(tierNames, { each: true })
  tiers!: string[];

  @ApiProperty({ required: false, format: 'uuid', description: 'Rows of this tenant only.' })
  @IsOptional()
  @IsUUID()
  tenantId?: string;

  @ApiProperty({
    required: false,
    format: 'uuid',
    description: 'Rebuild: the rows that this conversation of the tenant has a part in, in place.',
  })
  @IsOptional()
  @IsUUID()
  conversationId?: string;

  @ApiProperty({
    required: false,
    description: 'Rebuild: a temporary copy as it was at a time (ISO 8601) or a position of the log.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 40)
  asOf?: string;

  @ApiProperty({ required: false, minimum: 1, maximum: 8_760, description: 'Of a temporary copy; 24.' })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(8_760)
  ttlHours?: number;

  @ApiProperty({ required: false, type: SlotsBody })
  @IsOptional()
  @ValidateNested()
  @Type(() => SlotsBody)
  slots?: SlotsBody;

  @ApiProperty({
    required: false,
    minimum: 2,
    maximum: 64,
    description:
      'Rebuild: in so many ranges of slots, each filled, proved, served and its forerunner dropped.',
  })
  @IsOptional()
  @IsInt()
  @Min(2)
  @Max(64)
  rolling?: number;

  @ApiProperty({ required: false, isArray: true, example: ['OLTP_DATABASE_URL', 'OLTP_DATABASE_URL_B'] })
  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  databases?: string[];

  @ApiProperty({ required: false, minimum: 1, maximum: 64 })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(64)
  shards?: number;

  @ApiProperty({ required: false, description: "Re-partition: variable of the tenant's own database." })
  @IsOptional()
  @IsString()
  to?: string;

  @ApiProperty({
    required: false,
    enum: [true],
    description: 'Re-partition: the tenant returns from its own place to where its slots are served.',
  })
  @IsOptional()
  @IsIn([true])
  back?: true;

  @ApiProperty({ required: false, enum: ['week', 'month'] })
  @IsOptional()
  @IsIn(['week', 'month'])
  historyPartitions?: 'week' | 'month';

  @ApiProperty({ required: false, enum: ['replay', 'copy'] })
  @IsOptional()
  @IsIn(['replay', 'copy'])
  source?: 'replay' | 'copy';

  @ApiProperty({ required: false, enum: ['stop', 'collect'], default: 'stop' })
  @IsOptional()
  @IsIn(['stop', 'collect'])
  poison?: 'stop' | 'collect';

  @ApiProperty({
    required: false,
    default: true,
    description:
      'Takes a sample of the log, to say what the run takes: up to minutes. false: answers at once.',
  })
  @IsOptional()
  @IsBoolean()
  estimate?: boolean;
}

export class StartBody {
  @ApiProperty({ required: false, description: 'Slows down when reads take longer than this (p95), ms.' })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(60_000)
  governorP95Ms?: number;

  @ApiProperty({
    required: false,
    description: 'Of a rolling rebuild: its ranges may serve although reads were not compared.',
  })
  @IsOptional()
  @IsBoolean()
  withoutShadowReads?: boolean;
}

export class ThrottleBody {
  @ApiProperty({ nullable: true, type: Number, description: 'null: as fast as it can.' })
  @ValidateIf((body: ThrottleBody) => body.eventsPerSecond !== null)
  @IsInt()
  @Min(1)
  eventsPerSecond!: number | null;
}

export class VerifyBody {
  @ApiProperty({
    required: false,
    isArray: true,
    type: Object,
    description:
      'What is meant to differ, besides what the projections declare: as in the file of --expected.',
    example: [{ table: 'mailboxes', columns: ['name'], reason: 'names are shown in capitals' }],
  })
  @IsOptional()
  @IsArray()
  @IsObject({ each: true })
  expectedDifferences?: object[];
}

export class CutOverBody {
  @ApiProperty({ required: false, type: SlotsBody, description: 'These slots only.' })
  @IsOptional()
  @ValidateNested()
  @Type(() => SlotsBody)
  slots?: SlotsBody;

  @ApiProperty({ required: false, format: 'uuid', description: 'This tenant only.' })
  @IsOptional()
  @IsUUID()
  tenantId?: string;

  @ApiProperty({ required: false, description: 'One slot, eight, all, with a look at its health between.' })
  @IsOptional()
  @IsBoolean()
  canary?: boolean;

  @ApiProperty({ required: false, description: 'Although reads were not compared.' })
  @IsOptional()
  @IsBoolean()
  withoutShadowReads?: boolean;

  @ApiProperty({
    required: false,
    description: 'Lets it serve without a proof that holds; the reason goes into the journal.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 500)
  forceReason?: string;
}
