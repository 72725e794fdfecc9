// A domain belongs to one organization, which may take in whoever proves an address of it. The list beside the organization stays for a version before.
import { Migration } from '@mikro-orm/migrations';

export class OrganizationDomains extends Migration {
  override up(): void {
    this.addSql(`
      create table organization_domain (
        domain text not null constraint organization_domain_unique primary key,
        organization_id uuid not null references organization (id) on delete cascade
      )`);
    this.addSql('create index organization_domain_organization on organization_domain (organization_id, domain)');
    // Of two that say the same the older one keeps it.
    this.addSql(`insert into organization_domain (domain, organization_id)
      select distinct on (d.domain) d.domain, o.id from organization o, jsonb_array_elements_text(o.domains) as d (domain)
      order by d.domain, o.created_at, o.id`);
    this.addSql('alter table organization add column domain_join boolean not null default false');
  }
}
