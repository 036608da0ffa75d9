namespace KFac.Nn;

/// <summary>One graph whose nodes are to be classified, some of them labelled.</summary>
/// <param name="Name">Where it comes from, for people.</param>
/// <param name="Graph">A single graph.</param>
/// <param name="FeatureCount">Features of a node.</param>
/// <param name="Features">Row-major, nodes × features.</param>
/// <param name="Classes">Labels are 0 to <paramref name="Classes"/> − 1.</param>
/// <param name="Labels">One per node.</param>
/// <param name="Split">Nodes that train, validate and test.</param>
public sealed record NodeData(
    string Name,
    Graphs Graph,
    int FeatureCount,
    ReadOnlyMemory<float> Features,
    int Classes,
    ReadOnlyMemory<int> Labels,
    DataSplit Split);
