-- What is forgotten of people who leave, and of those to whom tickets were offered.

-- name: forget_addresses_of_person
-- Delete the addresses of transfers that a person has made or accepted.
UPDATE transfers
SET address = NULL
WHERE (giver_id = :person_id OR receiver_id = :person_id) AND state <> 'offered' AND address IS NOT NULL;

-- name: forget_addresses
-- Delete the addresses of transfers that ended before an instant.
UPDATE transfers
SET address = NULL
WHERE address IS NOT NULL AND ended_at < :before AND state <> 'offered';
