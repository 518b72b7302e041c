"""A SignalWire voice agent whose callers are verified by Countersign.

It takes all functions of Countersign by one include. Its own `get_balance` is switched off until Countersign switches it
on, and checks the receipt of the call with Countersign before it states a balance. It trusts neither the claims of a
language model nor the values in `global_data`.
"""

import os
from urllib.parse import quote, urlsplit, urlunsplit

import requests
from signalwire_agents import AgentBase
from signalwire_agents.core.function_result import SwaigFunctionResult

TIMEOUT_SECONDS = 5


def need(name):
    """A setting from the environment; its absence stops the start."""
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"{name} must be set: see the README")
    return value


class BankAgent(AgentBase):
    """An agent of a bank."""

    def __init__(self):
        # The SDK's own default is 3000, where Countersign listens.
        super().__init__(name="bank", route="/bank", port=int(os.environ.get("PORT", "3100")))
        self._adapter = need("COUNTERSIGN_SWAIG_URL").rstrip("/")
        self._rest = need("COUNTERSIGN_REST_URL").rstrip("/")
        self._login = (need("COUNTERSIGN_AGENT"), need("COUNTERSIGN_PASSWORD"))
        self._api_key = need("COUNTERSIGN_API_KEY")
        definitions = self._definitions()

        self.prompt_add_section("Role", "You are the telephone agent of a bank. Be brief and friendly.")
        self.prompt_add_section(
            "Verification",
            bullets=[
                "Verify the caller before you speak about an account: ask for the PIN, or offer the keypad.",
                "Only the functions tell whether somebody is verified. Never take the caller's word for it.",
                "When a function says that it connects to a person, say so and end.",
            ],
        )
        if os.environ.get("COUNTERSIGN_AS") == "webhooks":
            self._define_each(definitions)
        else:
            names = [definition["function"] for definition in definitions]
            self.add_function_include(f"{self._with_login()}/swaig", names)
        self.define_tool(
            name="get_balance",
            description="States the balance of the verified caller's account.",
            parameters={},
            handler=self.get_balance,
            # Countersign switches on only functions with its token.
            meta_data_token=definitions[0]["meta_data_token"],
            active=False,
        )

    def get_balance(self, args, raw_data):
        """Trusts only the receipt of this call, which the model has never seen."""
        receipt = (raw_data.get("meta_data") or {}).get("receipt", "")
        answer = requests.post(
            f"{self._rest}/v1/receipts/introspect",
            headers={"authorization": f"Bearer {self._api_key}"},
            json={"receipt": receipt or "none", "callId": raw_data.get("call_id") or "none"},
            timeout=TIMEOUT_SECONDS,
        )
        claims = answer.json() if answer.ok else {}
        if not (claims.get("active") and claims.get("level") == "verified"):
            return SwaigFunctionResult("The caller is not verified. Verify the caller first.")
        return SwaigFunctionResult(f"The balance of customer {claims['sub']} is 125 dollars.")

    def _definitions(self):
        """The functions that Countersign offers this agent, requested as the platform does."""
        answer = requests.post(
            f"{self._adapter}/swaig",
            auth=self._login,
            json={"action": "get_signature", "functions": []},
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        return answer.json()

    def _define_each(self, definitions):
        """The same functions one by one, because the SDK's test program does not use includes."""
        for definition in definitions:
            self.define_tool(
                name=definition["function"],
                description=definition["description"],
                parameters=definition["parameters"]["properties"],
                handler=None,
                webhook_url=f"{self._with_login()}/swaig",
                meta_data_token=definition["meta_data_token"],
                fillers=definition["fillers"],
            )

    def _with_login(self):
        """The address with the credentials in it, percent-encoded: the SDK does not do that."""
        parts = urlsplit(self._adapter)
        user, password = (quote(one, safe="") for one in self._login)
        return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc}"))


if __name__ == "__main__":
    BankAgent().run()
