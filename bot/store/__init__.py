"""The database: schema, engine, migrations, and one module per thing that is kept. SQLAlchemy appears only here."""
