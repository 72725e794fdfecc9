// Which theme a person wants to see our pages in.
import { Migration } from '@mikro-orm/migrations';

export class AccountTheme extends Migration {
  override up(): void {
    // Null follows the system.
    this.addSql(
      `alter table account add column theme text constraint account_theme_known check (theme in ('light', 'dark'))`,
    );
  }
}
