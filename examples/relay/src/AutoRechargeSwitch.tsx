import { useState } from "react";
import { graphql, useFragment, useMutation } from "react-relay";

import type { AutoRechargeSwitch_office$key } from "./__generated__/AutoRechargeSwitch_office.graphql";
import type { AutoRechargeSwitchMutation } from "./__generated__/AutoRechargeSwitchMutation.graphql";

/** On or off. Mistakes a person can mend come in `userErrors`, not as an exception. */
export function AutoRechargeSwitch({ office }: { office: AutoRechargeSwitch_office$key }) {
  const { id, canConfigureAutoRecharge, autoRecharge } = useFragment(
    graphql`
      fragment AutoRechargeSwitch_office on Office {
        id
        canConfigureAutoRecharge
        autoRecharge {
          id
          isEnabled
          state
        }
      }
    `,
    office,
  );
  const [mistake, setMistake] = useState<string>();
  const [commit, isInFlight] = useMutation<AutoRechargeSwitchMutation>(graphql`
    mutation AutoRechargeSwitchMutation($input: ConfigureAutoRechargeInput!) {
      configureAutoRecharge(input: $input) {
        autoRecharge {
          id
          isEnabled
          state
        }
        userErrors {
          code
          message
        }
      }
    }
  `);
  const flip = () =>
    commit({
      variables: { input: { officeId: id, isEnabled: !autoRecharge.isEnabled } },
      onCompleted: ({ configureAutoRecharge }) => setMistake(configureAutoRecharge.userErrors[0]?.message),
    });
  return (
    <label>
      <input
        type="checkbox"
        checked={autoRecharge.isEnabled}
        disabled={isInFlight || !canConfigureAutoRecharge}
        onChange={flip}
      />
      Auto-recharge {mistake && <em>{mistake}</em>}
    </label>
  );
}
