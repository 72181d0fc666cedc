import type { ClientBase } from 'pg';

/** Nobody logs in as these; a session takes one on (`role` of createPool). Policies are written for them. */
export const databaseRoles = ['mailfold_projector', 'mailfold_reader', 'mailfold_auditor'] as const;
export type DatabaseRole = (typeof databaseRoles)[number];

/**
 * Creates the roles of a cluster where they are missing and lets the current user take them on. Roles belong to the whole
 * cluster while migrations of several databases run at once, hence the tolerated races.
 */
export async function ensureDatabaseRoles(client: ClientBase): Promise<void> {
  for (const role of databaseRoles) {
    await client.query(`
      do $$ begin
        if not exists (select from pg_roles where rolname = '${role}') then
          create role ${role} nologin nosuperuser nobypassrls;
        end if;
      exception when duplicate_object or unique_violation then null;
      end $$`);
    await client.query(`
      do $$ begin
        if not pg_has_role(current_user, '${role}', 'set') then
          execute format('grant ${role} to %I with inherit false, set true', current_user);
        end if;
      exception when unique_violation then null;
      end $$`);
  }
}
