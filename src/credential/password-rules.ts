// The list of rules beside the field for a new password: exactly what the server checks, and after an answer with a mistake which of them the
// password kept and how hard it is to guess. Script only marks the same list while one types.
import type { PasswordRuleModel } from '../http/page-model.ts';
import type { PasswordContext, Passwords } from './password.ts';

/** @param text of a translation key @param typed what was sent; it comes back as marks only */
export function passwordRules(
  passwords: Passwords,
  text: (key: string, values?: Record<string, number>) => string,
  typed?: { readonly password: string; readonly context: PasswordContext },
): readonly PasswordRuleModel[] {
  const kept = typed && passwords.review(typed.password, typed.context);
  const rules = passwords.rules().map(({ key, values }): PasswordRuleModel => {
    const isKept = kept?.[key] ?? null;
    return {
      ...{ key, text: text(`password.rule.${key}`, values), ...values },
      state: isKept === null ? 'open' : isKept ? 'met' : 'unmet',
    };
  });
  if (!typed || typed.password === '') return rules;
  const { score } = passwords.strength(typed.password, typed.context);
  return [...rules, { key: 'strength', text: text(`password.strength.${score}`), state: 'open' }];
}
