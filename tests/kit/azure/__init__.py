"""A storage over Azure Blob Storage's REST API as an author writes it, its emulator, and hurried mistakes."""
