"""What a home kept elsewhere comes into its database: `adloom migrate`."""
