-- Columns that several statements of analytics use: what is counted from facts, and what the ledger says.

-- columns: sums
bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets, cancelled_minor;

-- columns: revenue
gross_minor, struck_minor, refunded_minor, tax_minor, fees_minor;
