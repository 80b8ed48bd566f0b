import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  importExtension: ".js",
  schema: "../../schema.graphql",
  documents: "../operations/*.graphql",
  generates: {
    "src/generated/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: "string",
        enumsAsTypes: true,
        futureProofEnums: true,
        strictScalars: true,
        useTypeImports: true,
        // Everything is a string, as it is on the wire: a number would lose millionths of a dollar.
        scalars: {
          BigInt: "string",
          CountryCode: "string",
          CurrencyCode: "string",
          Date: "string",
          DateTime: "string",
          Decimal: "string",
          ID: "string",
          PhoneNumber: "string",
          TimeZone: "string",
          URL: "string",
          YearMonth: "string",
        },
      },
    },
  },
};

export default config;
