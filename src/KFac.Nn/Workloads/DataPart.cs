namespace KFac.Nn;

/// <summary>A part of a workload's data.</summary>
public enum DataPart
{
    /// <summary>What gradients come from.</summary>
    Train,

    /// <summary>What settings are chosen by.</summary>
    Validation,

    /// <summary>What nothing is chosen by.</summary>
    Test,
}
