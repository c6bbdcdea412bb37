"""Words for people of the settings that towns meet first; the others are shown by their key."""

from __future__ import annotations

from mdm.kit.words import Words

LABELS: dict[str, Words] = {
    "allowAccountModification": Words(fr="Ajouter ou changer un compte", en="Add or change accounts"),
    "allowAirDrop": Words(fr="AirDrop", en="AirDrop"),
    "allowAppInstallation": Words(fr="Installer des applications", en="Install apps"),
    "allowAppRemoval": Words(fr="Supprimer des applications", en="Delete apps"),
    "allowApplePersonalizedAdvertising": Words(fr="Publicité ciblée d'Apple", en="Apple's personalised advertising"),
    "allowCamera": Words(fr="Appareil photo", en="Camera"),
    "allowChat": Words(fr="Messages", en="Messages"),
    "allowCloudPrivateRelay": Words(fr="Relais privé (contourne le filtre)", en="Private Relay (bypasses the filter)"),
    "allowDeviceNameModification": Words(fr="Renommer la tablette", en="Rename the tablet"),
    "allowEnablingRestrictions": Words(fr="Temps d'écran par l'utilisateur", en="Screen Time by the user"),
    "allowEraseContentAndSettings": Words(fr="Effacer la tablette", en="Erase the tablet"),
    "allowExplicitContent": Words(fr="Contenu explicite", en="Explicit content"),
    "allowGameCenter": Words(fr="Game Center", en="Game Center"),
    "allowInAppPurchases": Words(fr="Achats dans les applications", en="In-app purchases"),
    "allowListedAppBundleIDs": Words(fr="Applications autorisées", en="Allowed apps"),
    "allowMusicService": Words(fr="Apple Music", en="Apple Music"),
    "allowNews": Words(fr="News", en="News"),
    "allowPasscodeModification": Words(fr="Changer le code", en="Change the passcode"),
    "allowSafariPrivateBrowsing": Words(fr="Navigation privée", en="Private browsing"),
    "allowUIAppInstallation": Words(fr="App Store visible", en="App Store visible"),
    "allowUIConfigurationProfileInstallation": Words(fr="Installer des profils", en="Install profiles"),
    "allowVPNCreation": Words(fr="Créer un VPN (contourne le filtre)", en="Create a VPN (bypasses the filter)"),
    "allowVideoConferencing": Words(fr="FaceTime", en="FaceTime"),
    "forceAutomaticDateAndTime": Words(fr="Heure automatique", en="Automatic date and time"),
    "forceWiFiPowerOn": Words(fr="Wi-Fi toujours actif", en="Wi-Fi always on"),
    "safariForceFraudWarning": Words(fr="Avertissement de fraude", en="Fraud warning"),
}
